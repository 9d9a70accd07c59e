"""Products of a segment with one output channel, summed along a cascade and over time."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes


class DotProduct(wiring.Component):
    """``o = (o or 0) + sum(value * weight)``, one set of operands a cycle.

    A cascade of multipliers, as DSP slices have it: registers for operands, product and sum in
    each.  Operand pair k comes k cycles behind pair 0; the sum is there ``DOT_LATENCY`` cycles
    after the last pair.

    Parameters
    ----------
    inputs : pairs of operands.
    bits : of an operand, signed.
    accumulator_bits : of the sum; arithmetic is modulo 2**accumulator_bits.

    Members
    -------
    i_values, i_weights : In.
    i_clear : In. A cycle before the sum: begin from zero.
    o : Out.
    """

    def __init__(self, *, inputs: int, bits: int, accumulator_bits: int) -> None:
        check_sizes(1, inputs=inputs, bits=bits)
        check_sizes(1, 48, accumulator_bits=accumulator_bits)
        self._inputs = inputs
        self._bits = bits
        operands = data.ArrayLayout(signed(bits), inputs)
        super().__init__(
            {
                "i_values": In(operands),
                "i_weights": In(operands),
                "i_clear": In(1),
                "o": Out(signed(accumulator_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        total: Any = 0
        for k in range(self._inputs):
            a, b = (Signal(signed(self._bits), name=f"{n}_{k}", reset_less=True) for n in "ab")
            product = Signal(signed(2 * self._bits), name=f"product_{k}", reset_less=True)
            m.d.sync += [
                a.eq(self.i_values[k]),
                b.eq(self.i_weights[k]),
                product.eq(a * b),
            ]
            if k == self._inputs - 1:
                m.d.sync += self.o.eq(Mux(self.i_clear, 0, self.o) + (product + total))
            else:
                partial = Signal.like(self.o, name=f"sum_{k}")
                m.d.sync += partial.eq(product + total)
                total = partial
        return m
