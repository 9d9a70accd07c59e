"""Operands of the segments out of the banks' words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import BANK_LATENCY, bank_address_latency
from hw.lib.pipelining import delayed
from hw.stages.bank_address import segment_pixel
from hw.stages.rotate_words import RotateWords
from hw.stages.shape import StageShape
from hw.stages.wave_issue import wave_layout


class OperandSelect(wiring.Component):
    """Chooses slices of words, turns banks to segments, and puts the padding's value where it is.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : In. Waves.
    i_bank : In. Bank of segment 0, ``bank_address_latency`` after the wave.
    i_words : In. Words of the banks, ``BANK_LATENCY`` later.
    i_padding : In. What lies outside of the map.
    o : Out. Operands of each segment, ``StageShape.operand_latency`` after the wave; zero without
        work.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        words = data.ArrayLayout(shape.row_lanes * shape.bits, shape.touched)
        operands = data.ArrayLayout(shape.para_in * shape.bits, shape.touched)
        super().__init__(
            {
                "i": In(wave_layout(shape)),
                "i_bank": In(max(1, (shape.para_seg - 1).bit_length())),
                "i_words": In(data.ArrayLayout(words, shape.para_seg)),
                "i_padding": In(shape.bits),
                "o": Out(data.ArrayLayout(operands, shape.para_seg)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        part = shape.para_in * shape.bits
        at_words = bank_address_latency(shape.para_seg, edges=bool(shape.edges)) + BANK_LATENCY
        row: Any = self.i_words.as_value()
        if shape.slices > 1:
            slice_ = delayed(m, self.i.slice, at_words, name="slice")
            whole = shape.row_lanes * shape.bits
            chosen = Signal(shape.para_seg * shape.touched * part, name="chosen", reset_less=True)
            m.d.sync += chosen.eq(
                Cat(
                    Array(
                        row.word_select(k, whole).word_select(n, part) for n in range(shape.slices)
                    )[slice_]
                    for k in range(shape.para_seg * shape.touched)
                )
            )
            row = chosen
        if shape.para_seg > 1:
            bank = delayed(m, self.i_bank, BANK_LATENCY + (shape.slices > 1), name="bank")
            m.submodules.turn = turn = RotateWords(words=shape.para_seg, bits=shape.touched * part)
            m.d.comb += [turn.i.eq(row), turn.i_amount.eq(bank)]
            row = turn.o
        late = shape.operand_latency - 1
        valid = delayed(m, self.i.valid, late, name="valid")
        outside = self._outside(m, late) if shape.pad else None
        width = shape.touched * part
        for segment in range(shape.para_seg):
            word = row.word_select(segment, width)
            if outside is not None:
                padding = self.i_padding.replicate(width // shape.bits)
                word = Mux(outside[segment], padding, word)
            m.d.sync += self.o[segment].eq(Mux(valid, word, 0))
        return m

    def _outside(self, m: Module, late: int) -> Any:
        """A bit for each segment: its tap lies in the padding; ``late`` cycles after the wave."""
        shape = self._shape
        row, column = (Signal(range(shape.kernel), name=f"tap_{n}") for n in ("row", "column"))
        with m.Switch(self.i.tap):
            for tap in range(shape.taps):
                with m.Case(tap):
                    m.d.sync += [row.eq(tap // shape.kernel), column.eq(tap % shape.kernel)]
        bits = []
        for segment in range(shape.para_seg):
            found = segment_pixel(m, self.i, segment, shape)
            at = [
                delayed(m, place * shape.stride + tap, 1, name=f"{name}_at_{segment}")
                for place, tap, name in zip(found, (column, row), "xy", strict=True)
            ]
            inside = [(value >= shape.pad) & (value < shape.pad + shape.size_in) for value in at]
            bits.append(~(inside[0] & inside[1]))
        return delayed(m, Cat(bits), late - 2, name="outside")
