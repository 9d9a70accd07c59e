"""One processing element: stream, shadow, active operand, partial sum."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes


def element_ports(*, lanes: int, accumulator_bits: int, operand_bits: int = 8) -> dict[str, Any]:
    """The members of `Element`."""
    check_sizes(1, 2, lanes=lanes)
    check_sizes(1, accumulator_bits=accumulator_bits, operand_bits=operand_bits)
    operand = operand_bits * lanes
    total = signed(accumulator_bits)
    return {
        "i_stream": In(operand),
        "i_swap": In(1),
        "i_local": In(1),
        "i_clear": In(1),
        "o_stream": Out(operand),
        "o_swap": Out(1),
        "o_local": Out(1),
        "o_clear": Out(1),
        "i_shadow": In(operand),
        "i_enable": In(1),
        "o_shadow": Out(operand),
        "i_sum": In(total),
        "o_sum": Out(total),
    }


class Element(wiring.Component):
    """A PE: one product (1 lane) or the fast inner product of two pairs (2 lanes) a cycle.

    ``active = shadow`` on a wave with ``i_swap``; the product of the stream and the active operand
    is added to the sum from above, or to the PE's own sum while ``i_local`` (to zero on
    ``i_clear``).  Two lanes: ``(s0 + t1)(s1 + t0)`` (Winograd 1968), so the sum carries
    ``s0 s1 + t0 t1`` too much for each product; see `Foot`.

    What a reset leaves in the operands and sums never reaches a result: only control has one.
    The registers are those of a DSP48E2: stream/active (A, D, B), sums (AD, B2), product (M), P.

    Parameters
    ----------
    lanes : multiply-accumulates a cycle, 1 or 2.
    accumulator_bits : width of the partial sum; arithmetic is modulo 2**accumulator_bits.
    operand_bits : width of a signed operand.

    Members
    -------
    i_stream, o_stream : from the left and to the right neighbour, one cycle later.
    i_swap, o_swap : with the stream.
    i_local, i_clear, o_local, o_clear : CONTROL_LAG cycles behind the stream.
    i_shadow, o_shadow, i_enable : the column's shadow chain.
    i_sum, o_sum : partial sums from above and to below, ELEMENT_LATENCY after the stream.
    """

    def __init__(self, *, lanes: int, accumulator_bits: int, operand_bits: int = 8) -> None:
        ports = element_ports(
            lanes=lanes, accumulator_bits=accumulator_bits, operand_bits=operand_bits
        )
        self.lanes = lanes
        self.operand_bits = operand_bits
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self.operand_bits
        shadow = Signal(width * self.lanes, reset_less=True)
        active = Signal(width * self.lanes, reset_less=True)
        m.d.comb += [
            self.o_stream.eq(delayed(m, self.i_stream, 1, name="stream")),
            self.o_shadow.eq(shadow),
        ]
        m.d.sync += [
            self.o_swap.eq(self.i_swap),
            self.o_local.eq(self.i_local),
            self.o_clear.eq(self.i_clear),
        ]
        with m.If(self.i_enable):
            m.d.sync += shadow.eq(self.i_shadow)
        with m.If(self.i_swap):
            m.d.sync += active.eq(shadow)

        s = [self.o_stream.word_select(i, width).as_signed() for i in range(self.lanes)]
        t = [active.word_select(i, width).as_signed() for i in range(self.lanes)]
        left, right = (s[0], t[0]) if self.lanes == 1 else (s[0] + t[1], s[1] + t[0])
        product = self.product(m, left, right)
        base = Signal.like(self.o_sum)
        own = Mux(self.o_clear, 0, self.o_sum)
        total = Signal.like(base, reset_less=True)
        m.d.comb += [base.eq(Mux(self.o_local, own, self.i_sum)), self.o_sum.eq(total)]
        m.d.sync += total.eq(base + product)
        return m

    def product(self, m: Module, left: Value, right: Value) -> Value:
        """Two factors of ``operand_bits + lanes - 1`` bits multiplied, two cycles later."""
        a = Signal(signed(self.operand_bits + self.lanes - 1), reset_less=True)
        b = Signal.like(a)
        product = Signal(signed(2 * len(a)), reset_less=True)
        m.d.sync += [a.eq(left), b.eq(right), product.eq(a * b)]
        return product
