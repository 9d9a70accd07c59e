"""Biases and factors of a stage's channels."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.stages.pass_walk import below
from hw.stages.result_beat import header_layout, parameter_layout
from hw.stages.ring_bank import RingBank
from hw.stages.shape import StageShape


class StageParameters(wiring.Component):
    """Keeps a header, and a record for each channel; they come once.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : stream of records: the header, then one for each channel of all tiles.
    i_row : In. Beat of a pixel's channels, all tiles counted.
    o : Out. Records of its channels, ``BANK_LATENCY`` later.
    o_header : Out. What is common.
    o_there : Out. All have come.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        self._record = parameter_layout(
            accumulator_bits=shape.accumulator_bits, scaled=shape.scaled
        )
        super().__init__(
            {
                "i": In(stream.Signature(parameter_bits(shape))),
                "i_row": In(below(shape.parameter_rows)),
                "o": Out(data.ArrayLayout(self._record, shape.drain_channels)),
                "o_header": Out(header_layout(shape.bits)),
                "o_there": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        begun = Signal()
        lane, row = Signal(below(shape.drain_channels)), Signal(below(shape.parameter_rows))
        last = lane == shape.drain_channels - 1
        m.submodules.records = records = RingBank(
            depth=shape.parameter_rows, part_bits=self._record.size, parts=shape.drain_channels
        )
        taken = self.i.valid & ~self.o_there
        m.d.comb += [
            self.i.ready.eq(~self.o_there),
            records.i_row.eq(self.i_row),
            records.i_write.eq((taken & begun) << lane),
            records.i_write_row.eq(row),
            records.i_values.eq(self.i.payload),
            self.o.eq(records.o),
        ]
        with m.If(taken & ~begun):
            m.d.sync += [begun.eq(1), self.o_header.eq(self.i.payload)]
        with m.If(taken & begun):
            m.d.sync += [
                lane.eq(Mux(last, 0, lane + 1)),
                row.eq(row + last),
                self.o_there.eq(last & (row == shape.parameter_rows - 1)),
            ]
        return m


def parameter_bits(shape: StageShape) -> int:
    """Bits of a record on its way: of a header or of a channel's parameters."""
    record = parameter_layout(accumulator_bits=shape.accumulator_bits, scaled=shape.scaled)
    return max(record.size, header_layout(shape.bits).size)
