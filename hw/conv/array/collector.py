"""From skewed column results to words: deskew for WS and NS, corner turn for IS."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.lib.pipelining import delayed


class Collector(wiring.Component):
    """Collects C bytes a word; every column owns a free-running shift register of C bytes.

    WS, NS: column c is tapped after C - 1 - c bytes, so the word of a wave is complete C cycles
    after column 0's result: byte c is channel c.  IS: when the last channel of a group has entered
    column c, its register holds that pixel's channels in ascending order in its highest bytes; the
    columns are read one after the other, a cycle each, as their results are skewed.  The sequencer
    spaces groups so that reads never overlap.

    Members
    -------
    i_results : C bytes, column c one cycle behind column c - 1.
    i_wave : column 0's result is a WS or NS word's.
    i_close, i_pixels : column 0's result is a group's last; pixels of the group minus one.
    o_valid, o_word : a word of C bytes.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._columns = config.columns
        super().__init__(
            {
                "i_results": In(8 * config.columns),
                "i_wave": In(1),
                "i_close": In(1),
                "i_pixels": In(unsigned((config.columns - 1).bit_length())),
                "o_valid": Out(1),
                "o_word": Out(8 * config.columns),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self._columns
        wave = delayed(m, self.i_wave, columns, name="wave", reset_less=False)
        registers = [
            Signal(8 * columns, name=f"register_{c}", reset_less=True) for c in range(columns)
        ]
        for c, register in enumerate(registers):
            m.d.sync += register.eq(Cat(register[8:], self.i_results.word_select(c, 8)))

        reading = Signal()
        pixel = Signal.like(self.i_pixels)
        remaining = Signal.like(self.i_pixels)
        with m.If(self.i_close):
            m.d.sync += [reading.eq(1), pixel.eq(0), remaining.eq(self.i_pixels)]
        with m.Elif(reading):
            m.d.sync += [reading.eq(remaining != 0), pixel.eq(pixel + 1)]
            m.d.sync += remaining.eq(remaining - 1)

        taps = Cat(register.word_select(c, 8) for c, register in enumerate(registers))
        m.d.comb += self.o_valid.eq(wave | reading)
        m.d.comb += self.o_word.eq(taps)
        with m.If(reading), m.Switch(pixel):
            for c, register in enumerate(registers):
                with m.Case(c):
                    m.d.comb += self.o_word.eq(register)
        return m
