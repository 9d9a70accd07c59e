"""Input transform: a patch of int8 words in, its transform out, a word a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.transforms import Transform, choice_bits, signed_bits
from hw.lib.sizes import check_sizes
from hw.winograd.steps import checked_transforms
from hw.winograd.transform_line import LineTransform


class InputTransform(wiring.Component):
    """V = B_y^T d B_x of patches of y.alpha x x.alpha words, L channels side by side.

    The words of a patch come column by column (x outer, y inner), with any gaps; patches may follow
    each other without one.  The elements of the transform leave in ascending order (i outer, along
    y; j inner, along x) in consecutive cycles, the first one INPUT_LATENCY after the patch's last
    word.  So whole patches sustain one word in and one word out per cycle.

    Two one-dimensional transforms, each of which keeps its words in distributed RAM and adds the
    terms of one row of B^T a cycle: three adders a dimension (one if only F(2,3) is configured).
    Transforms of one dimension pass the one along x.
    Per lane (Yosys, UltraScale+, distributed RAM included): F(2,3) 37 LUT and 53 FF, F(4,3) 146 and
    79, both 164 and 79; control about 60 LUT and 60 FF once.

    Parameters
    ----------
    lanes : L, channels of a word.
    transforms : the configured ones; ``i_transform`` is an index into them.
    operand_bits : width of an operand of the output, at least what the transforms need.

    Members
    -------
    i_valid, i_word : In. A word of a patch, int8 lanes.
    i_transform : In. The same for all words of a patch.  `input_switch_gap` holds.
    o_valid, o_word : Out. A word of operands.
    o_transform : Out. Of this word.
    o_element : Out. Its element, x.alpha * i + j.
    o_last : Out. It is the last element of its patch.
    """

    def __init__(self, *, lanes: int, transforms: Sequence[Transform], operand_bits: int) -> None:
        check_sizes(1, lanes=lanes)
        self._transforms = checked_transforms(transforms)
        self._bits = max(signed_bits(*t.input_range) for t in self._transforms)
        check_sizes(self._bits, operand_bits=operand_bits)
        self._lanes = lanes
        elements = max(t.elements for t in self._transforms)
        super().__init__(
            {
                "i_valid": In(1),
                "i_transform": In(choice_bits(self._transforms)),
                "i_word": In(data.ArrayLayout(signed(8), lanes)),
                "o_valid": Out(1),
                "o_transform": Out(choice_bits(self._transforms)),
                "o_word": Out(data.ArrayLayout(signed(operand_bits), lanes)),
                "o_element": Out(unsigned((elements - 1).bit_length())),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line_bits = max(signed_bits(*t.line_range) for t in self._transforms)
        m.submodules.along_y = along_y = LineTransform(
            lanes=self._lanes,
            axes=[t.y for t in self._transforms],
            lines=[1] * len(self._transforms),
            input_bits=8,
            output_bits=line_bits,
        )
        m.submodules.along_x = along_x = LineTransform(
            lanes=self._lanes,
            axes=[t.x for t in self._transforms],
            lines=[t.y.alpha for t in self._transforms],
            input_bits=line_bits,
            output_bits=self._bits,
        )
        m.d.comb += [
            along_y.i_valid.eq(self.i_valid),
            along_y.i_transform.eq(self.i_transform),
            along_y.i_word.eq(self.i_word),
            along_x.i_valid.eq(along_y.o_valid),
            along_x.i_transform.eq(along_y.o_transform),
            along_x.i_word.eq(along_y.o_word),
            self.o_valid.eq(along_x.o_valid),
            self.o_transform.eq(along_x.o_transform),
            self.o_element.eq(along_x.o_index),
            self.o_last.eq(along_x.o_last),
        ]
        m.d.comb += [self.o_word[lane].eq(along_x.o_word[lane]) for lane in range(self._lanes)]
        return m
