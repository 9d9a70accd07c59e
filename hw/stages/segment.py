"""The multipliers of a segment, or of two: operands meet the weights of a tile of channels."""

from __future__ import annotations

import re
import zlib
from typing import Any

from amaranth.hdl import Array, Cat, Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.emit import Shared
from hw.lib.pipelining import delayed
from hw.stages.dot_pair import DotPair
from hw.stages.dot_product import DotProduct
from hw.stages.shape import StageShape


def segment_module(shape: StageShape) -> str:
    """A name for all segments that are equal."""
    plain = re.sub(r"\W", "_", shape.name)
    if plain != shape.name:
        plain = f"{plain}_{zlib.crc32(shape.name.encode()):08x}"
    return f"segment_{plain}_{shape.para_in}x{shape.para_out}_{shape.bits}_{shape.accumulator_bits}"


def dot_module(shape: StageShape) -> str:
    """A name for all dot products, or pairs of them, that are equal."""
    return (
        f"{'pair' if shape.packed else 'dot'}_{shape.para_in}_{shape.bits}_{shape.accumulator_bits}"
    )


class Segment(wiring.Component):
    """The sums of ``pair_segments`` pixels' operands with ``para_out`` channels' weights.

    Operand k of a word is used k cycles after its arrival.  A tile that reads several groups
    chooses one for each channel.  Packed products are those of two neighbouring channels, or of
    both pixels; what is missing of the last pair is zero.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i_values : In. For each pixel ``para_in`` operands of each group that is touched.
    i_first : In. With the operands of a pass's first wave.
    i_groups : In. Group of each channel, among those touched, with the operands.
    i_weights : In. Skewed: weight k of a channel comes k cycles behind its operands.
    o : Out. Sums of each pixel, ``dot_latency + para_in - 1`` cycles after the operands.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        word = data.ArrayLayout(signed(shape.bits), shape.para_in)
        values = data.ArrayLayout(word, shape.touched)
        sums = data.ArrayLayout(signed(shape.accumulator_bits), shape.para_out)
        ports: dict[str, Any] = {
            "i_values": In(data.ArrayLayout(values, shape.pair_segments)),
            "i_first": In(1),
            "i_weights": In(data.ArrayLayout(word, shape.para_out)),
            "o": Out(data.ArrayLayout(sums, shape.pair_segments)),
        }
        if shape.touched > 1:
            ports["i_groups"] = In(data.ArrayLayout(range(shape.touched), shape.para_out))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        clear = delayed(m, self.i_first, shape.dot_latency + shape.para_in - 2, name="clear")
        values = [self._delayed(m, pixel) for pixel in range(shape.pair_segments)]
        choices = self._choices(m)
        for channel in range(0, shape.para_out, shape.pair_channels):
            dot = Shared(self._dot(), dot_module(shape), hier_block=not shape.hier_segments)
            m.submodules[f"dot_{channel}"] = dot
            m.d.comb += dot.i_clear.eq(clear)
            operands = [Cat(self._operands(channel, pixel, choices)) for pixel in values]
            if shape.packed:
                self._connect_pair(m, dot, channel, operands)
            else:
                m.d.comb += [
                    dot.i_values.eq(operands[0]),
                    dot.i_weights.eq(self.i_weights[channel]),
                    self.o[0][channel].eq(dot.o),
                ]
        return m

    def _dot(self) -> DotProduct | DotPair:
        shape = self._shape
        size = {"inputs": shape.para_in, "accumulator_bits": shape.accumulator_bits}
        return DotPair(**size) if shape.packed else DotProduct(**size, bits=shape.bits)

    def _connect_pair(self, m: Module, dot: Any, channel: int, operands: list[Any]) -> None:
        """Two channels have the activations in common, two pixels the weights."""
        shape = self._shape
        if shape.pair_channels == 1:
            m.d.comb += dot.i_common.eq(self.i_weights[channel])
            for lane, pixel in enumerate(operands):
                m.d.comb += [
                    dot.i_factors[lane].eq(pixel),
                    self.o[lane][channel].eq(dot.o[lane]),
                ]
            return
        m.d.comb += dot.i_common.eq(operands[0])
        for lane, own in enumerate(range(channel, min(channel + 2, shape.para_out))):
            m.d.comb += [
                dot.i_factors[lane].eq(self.i_weights[own]),
                self.o[0][own].eq(dot.o[lane]),
            ]

    def _delayed(self, m: Module, pixel: int) -> list[list[Any]]:
        """The operands of a pixel, by groups; operand k, k cycles later."""
        shape = self._shape
        return [
            [
                delayed(m, self.i_values[pixel][group][k], k, name=f"value_{pixel}_{group}_{k}")
                for k in range(shape.para_in)
            ]
            for group in range(shape.touched)
        ]

    def _choices(self, m: Module) -> list[Any]:
        """The channels' choice of groups for each operand of a word, if there is any."""
        if self._shape.touched == 1:
            return []
        layout = data.ArrayLayout(range(self._shape.touched), self._shape.para_out)
        choice = self.i_groups.as_value()
        return [
            layout(delayed(m, choice, k, name=f"groups_{k}")) for k in range(self._shape.para_in)
        ]

    def _operands(self, channel: int, values: list[list[Any]], choices: list[Any]) -> list[Any]:
        shape = self._shape
        met = {groups[channel] % shape.touched for groups in shape.column_groups}
        if len(met) == 1:
            return values[met.pop()]
        return [
            Array(group[k] for group in values)[choices[k][channel]] for k in range(shape.para_in)
        ]
