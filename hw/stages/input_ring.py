"""The input buffer of a stage: banks between an arriving map and the segments that read it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.emit import Shared
from hw.stages.bank_address import BankAddress
from hw.stages.operand_select import OperandSelect
from hw.stages.pass_walk import cells_layout
from hw.stages.ring_bank import RingBank
from hw.stages.ring_write import RingWrite, beat_layout
from hw.stages.shape import StageShape
from hw.stages.wave_issue import wave_layout


class InputRing(wiring.Component):
    """Keeps cells of the map until no pixel to come reads them; feeds all segments in a cycle.

    Cell (row, column) lies in bank ``(row * size_out + column) mod para_seg``.  All segments want
    the cell at one distance from their own, so they always meet different banks.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : stream of beats, as ``shape.source`` says.
    i_wave : In. What to read.
    i_frees : In. Rows of cells that are done with, and columns of the next.
    i_padding : In. What lies outside of the map.
    o : Out. Operands of each segment, ``StageShape.operand_latency`` after the wave.
    o_cell, o_row : Out. A cell is there, whole, or a row's last one.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        word = data.ArrayLayout(signed(shape.bits), shape.para_in)
        operands = data.ArrayLayout(word, shape.touched)
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(shape.source.width, shape.bits))),
                "i_wave": In(wave_layout(shape)),
                "i_frees": In(cells_layout(shape)),
                "i_padding": In(shape.bits),
                "o": Out(data.ArrayLayout(operands, shape.para_seg)),
                "o_cell": Out(1),
                "o_row": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        m.submodules.write = write = RingWrite(shape=shape)
        m.submodules.address = address = BankAddress(shape=shape)
        m.submodules.select = select = OperandSelect(shape=shape)
        wiring.connect(m, wiring.flipped(self.i), write.i)
        m.d.comb += [
            write.i_frees.eq(self.i_frees),
            self.o_cell.eq(write.o_cell),
            self.o_row.eq(write.o_row),
            address.i.eq(self.i_wave),
            select.i.eq(self.i_wave),
            select.i_bank.eq(address.o_bank),
            select.i_padding.eq(self.i_padding),
            self.o.eq(select.o),
        ]
        size = {
            "depth": shape.bank_depth,
            "part_bits": shape.source.width * shape.bits,
            "parts": shape.row_lanes // shape.source.width,
        }
        words = []
        for number in range(shape.para_seg):
            for group in range(shape.touched):
                bank = Shared(RingBank(**size), f"ring_{'_'.join(map(str, size.values()))}")
                m.submodules[f"bank_{number}_{group}"] = bank
                mine = write.o.enable & (write.o.bank == number) & (write.o.group == group)
                m.d.comb += [
                    bank.i_row.eq(address.o[number][group]),
                    bank.i_write.eq(Cat(mine & (write.o.part == k) for k in range(size["parts"]))),
                    bank.i_write_row.eq(write.o.row),
                    bank.i_values.eq(write.o.values),
                ]
                words.append(bank.o)
        m.d.comb += select.i_words.eq(Cat(words))
        return m
