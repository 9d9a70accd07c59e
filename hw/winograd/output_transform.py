"""Output transform: the elements of a tile's M in, its pixels out, serially."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import DIVISION_LATENCY
from hw.isa.transforms import Transform, choice_bits
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes
from hw.winograd.division import ExactDivision
from hw.winograd.scatter import Scatter, common_shift
from hw.winograd.steps import Walk, checked_transforms
from hw.winograd.transpose import Transpose


class OutputTransform(wiring.Component):
    """A_y^T M A_x / total_scale of one column's tiles, exact, one element in per cycle.

    The elements of a tile come column by column (j outer, along x; i inner, along y), with any
    gaps; tiles may follow each other without one.  The pixels leave row by row (k outer, along y; l
    inner, along x) at a fixed time after the tile's last element, see `output_latency`.

    Two scatters of m adders each, a transposition in distributed RAM of 32 words, and the short
    additions of the division; for 32-bit accumulators and 26-bit results (Yosys, UltraScale+):
    F(2,3) 201 LUT and 243 FF, F(4,3) 437 and 589, both 464 and 590.

    Arithmetic is modulo a power of two: the elements may have wrapped, only the results must fit
    ``result_bits``.

    Parameters
    ----------
    transforms : the configured ones; ``i_transform`` is an index into them.
    accumulator_bits : width of an element, at least `Transform.accumulator_bits` of each.
    result_bits : width of a result.

    Members
    -------
    i_valid, i_value : In. An element of M.
    i_transform : In. The same for all elements of a tile.  `output_switch_gap` holds.
    o_valid, o_result : Out. A pixel: the sum of the convolution, without bias.
    """

    def __init__(
        self, *, transforms: Sequence[Transform], accumulator_bits: int, result_bits: int
    ) -> None:
        self._transforms = checked_transforms(transforms)
        check_sizes(1, 48, result_bits=result_bits)
        if len({t.odd_scale for t in self._transforms} - {1}) > 1:
            names = ", ".join(t.name for t in self._transforms)
            raise ValueError(f"transforms must share the odd part of their scale, not {names}")
        least = max(t.accumulator_bits(result_bits) for t in self._transforms)
        check_sizes(least, accumulator_bits=accumulator_bits)
        self._result_bits = result_bits
        super().__init__(
            {
                "i_valid": In(1),
                "i_transform": In(choice_bits(self._transforms)),
                "i_value": In(signed(accumulator_bits)),
                "o_valid": Out(1),
                "o_result": Out(signed(result_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        y, x = [t.y for t in self._transforms], [t.x for t in self._transforms]
        inner_bits = self._result_bits + common_shift(x)
        m.submodules.walk = walk = Walk(
            outer=[axis.alpha for axis in x], inner=[axis.alpha for axis in y]
        )
        m.submodules.along_y = along_y = Scatter(axes=y, bits=inner_bits + common_shift(y))
        m.submodules.transpose = transpose = Transpose(transforms=self._transforms, bits=inner_bits)
        m.submodules.along_x = along_x = Scatter(axes=x, bits=inner_bits)
        m.d.comb += [
            walk.i_valid.eq(self.i_valid),
            walk.i_transform.eq(self.i_transform),
            along_y.i_valid.eq(self.i_valid),
            along_y.i_transform.eq(self.i_transform),
            along_y.i_value.eq(self.i_value),
            along_y.i_position.eq(walk.o_inner),
            along_y.i_last.eq(walk.o_last_inner),
        ]
        for source, sink in ((along_y, transpose), (transpose, along_x)):
            m.d.comb += [
                sink.i_valid.eq(source.o_valid),
                sink.i_transform.eq(source.o_transform),
                sink.i_value.eq(source.o_value),
            ]
        m.d.comb += [
            along_x.i_position.eq(transpose.o_position),
            along_x.i_last.eq(transpose.o_last),
        ]
        self._divide(m, along_x)
        return m

    def _divide(self, m: Module, source: Scatter) -> None:
        """By the odd part of the scale; the power of two is gone."""
        divisors = {t.odd_scale for t in self._transforms} - {1}
        if not divisors:
            m.d.comb += [self.o_valid.eq(source.o_valid), self.o_result.eq(source.o_value)]
            return
        m.submodules.division = division = ExactDivision(
            divisor=divisors.pop(), bits=self._result_bits
        )
        odd = [choice for choice, t in enumerate(self._transforms) if t.odd_scale != 1]
        divide = Cat(source.o_transform == choice for choice in odd).any()
        valid = delayed(m, source.o_valid, DIVISION_LATENCY, name="valid", reset_less=False)
        m.d.comb += [
            division.i_value.eq(source.o_value),
            division.i_divide.eq(divide),
            self.o_valid.eq(valid),
            self.o_result.eq(division.o_quotient),
        ]
