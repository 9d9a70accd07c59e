"""Two dot products with a common operand, two products in each multiplier."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes
from hw.stages.product_pair import FIELD_BITS, PACKED_BITS, chains

PARTIAL_BITS = 2 * FIELD_BITS


class DotPair(wiring.Component):
    """Two ``o = (o or 0) + sum(common * factor)``, exact, one set of operands a cycle.

    A multiplier takes ``high 2**18 + low`` from its pre-adder.  At the end of a cascade of
    ``CHAIN`` the two sums are told apart and added to those before.  Operands k come k cycles
    behind operands 0; the sums are there ``PACKED_DOT_LATENCY`` cycles after the last.

    Parameters
    ----------
    inputs : operands of a dot product.
    accumulator_bits : of a sum; arithmetic is modulo 2**accumulator_bits.

    Members
    -------
    i_common : In. i_factors : In. Low and high. All are of 8 bits.
    i_clear : In. A cycle before the sum: begin from zero.
    o : Out. Of the low and of the high factors.
    """

    def __init__(self, *, inputs: int, accumulator_bits: int) -> None:
        check_sizes(1, inputs=inputs)
        check_sizes(1, 48, accumulator_bits=accumulator_bits)
        self._inputs = inputs
        self._total = signed(accumulator_bits)
        operands = data.ArrayLayout(signed(PACKED_BITS), inputs)
        super().__init__(
            {
                "i_common": In(operands),
                "i_factors": In(data.ArrayLayout(operands, 2)),
                "i_clear": In(1),
                "o": Out(data.ArrayLayout(self._total, 2)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        sums: list[Any] = [0, 0]
        for number, chain in enumerate(chains(self._inputs)):
            partial: Any = 0
            for k in chain:
                partial = self._multiply(m, k, partial)
            low = partial[:FIELD_BITS].as_signed()
            high = partial[FIELD_BITS:].as_signed() + low[-1]  # what the low sum's sign borrowed
            for lane, part in enumerate((low, high)):
                name = f"sum_{number}_{lane}"
                total = Signal(self._total, name=name, reset_less=True)
                before = sums[lane]
                if number:
                    before = delayed(m, before, len(chain) - 1, name=f"before_{number}_{lane}")
                m.d.sync += total.eq(before + part)
                sums[lane] = total
        for lane, total in enumerate(sums):
            m.d.sync += self.o[lane].eq(Mux(self.i_clear, 0, self.o[lane]) + total)
        return m

    def _multiply(self, m: Module, k: int, above: Any) -> Signal:
        """The cascade's sum with product k: operands, pre-adder, product and sum registers."""
        common, low, high, late = (
            Signal(signed(PACKED_BITS), name=f"{name}_{k}", reset_less=True)
            for name in ("common", "low", "high", "late")
        )
        factor = Signal(signed(FIELD_BITS + PACKED_BITS + 1), name=f"factor_{k}", reset_less=True)
        product = Signal(signed(PARTIAL_BITS), name=f"product_{k}", reset_less=True)
        partial = Signal(signed(PARTIAL_BITS), name=f"partial_{k}", reset_less=True)
        m.d.sync += [
            common.eq(self.i_common[k]),
            low.eq(self.i_factors[0][k]),
            high.eq(self.i_factors[1][k]),
            late.eq(common),
            factor.eq((high << FIELD_BITS) + low),
            product.eq(factor * late),
            partial.eq(product + above),
        ]
        return partial
