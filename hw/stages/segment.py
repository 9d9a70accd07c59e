"""One segment's multipliers: its operands meet the weights of a tile of output channels."""

from __future__ import annotations

import re
import zlib
from typing import Any

from amaranth.hdl import Array, Cat, Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.emit import Shared
from hw.lib.pipelining import delayed
from hw.stages.dot_product import DotProduct
from hw.stages.shape import StageShape


def segment_module(shape: StageShape) -> str:
    """A name for all segments that are equal."""
    plain = re.sub(r"\W", "_", shape.name)
    if plain != shape.name:
        plain = f"{plain}_{zlib.crc32(shape.name.encode()):08x}"
    return f"segment_{plain}_{shape.para_in}x{shape.para_out}_{shape.bits}_{shape.accumulator_bits}"


def dot_module(shape: StageShape) -> str:
    """A name for all dot products that are equal."""
    return f"dot_{shape.para_in}_{shape.bits}_{shape.accumulator_bits}"


class Segment(wiring.Component):
    """The sums of one pixel's operands with ``para_out`` channels' weights.

    Operand k of a word is used k cycles after its arrival.  A tile that reads several groups
    chooses one for each channel.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i_values : In. ``para_in`` operands of each group that is touched.
    i_first : In. With the operands of a pass's first wave.
    i_groups : In. Group of each channel, among those touched, with the operands.
    i_weights : In. Skewed: weight k of a channel comes k cycles behind its operands.
    o : Out. Sums, ``DOT_LATENCY + para_in - 1`` cycles after the operands.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        word = data.ArrayLayout(signed(shape.bits), shape.para_in)
        ports: dict[str, Any] = {
            "i_values": In(data.ArrayLayout(word, shape.touched)),
            "i_first": In(1),
            "i_weights": In(data.ArrayLayout(word, shape.para_out)),
            "o": Out(data.ArrayLayout(signed(shape.accumulator_bits), shape.para_out)),
        }
        if shape.touched > 1:
            ports["i_groups"] = In(data.ArrayLayout(range(shape.touched), shape.para_out))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        clear = delayed(m, self.i_first, shape.para_in + 1, name="clear")
        values = [
            [
                delayed(m, self.i_values[group][k], k, name=f"value_{group}_{k}")
                for k in range(shape.para_in)
            ]
            for group in range(shape.touched)
        ]
        choices = self._choices(m)
        dot = {
            "inputs": shape.para_in,
            "bits": shape.bits,
            "accumulator_bits": shape.accumulator_bits,
        }
        for channel in range(shape.para_out):
            column = Shared(
                DotProduct(**dot), dot_module(shape), hier_block=not shape.hier_segments
            )
            m.submodules[f"dot_{channel}"] = column
            m.d.comb += [
                column.i_values.eq(Cat(self._operands(channel, values, choices))),
                column.i_weights.eq(self.i_weights[channel]),
                column.i_clear.eq(clear),
                self.o[channel].eq(column.o),
            ]
        return m

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
