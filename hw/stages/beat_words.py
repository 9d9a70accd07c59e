"""Words out of the beats of a bus."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.stages.beat_split import BeatSplit
from hw.stages.pass_walk import below
from hw.stages.weight_region import WordPacking


class BeatWords(wiring.Component):
    """Hands on the words of each reading, whatever number of them lies in a beat.

    A word a cycle, or one as soon as all of its beats have come.

    Parameters
    ----------
    packing : of the words.

    Members
    -------
    i : stream of beats. o : stream of words.
    """

    def __init__(self, *, packing: WordPacking) -> None:
        self._packing = packing
        super().__init__(
            {
                "i": In(stream.Signature(packing.beat_bits)),
                "o": Out(stream.Signature(packing.word_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        packing = self._packing
        if packing.word_beats > 1:
            self._gather(m)
            return m
        number = Signal(below(packing.beats))
        last = number == packing.beats - 1
        m.submodules.split = split = BeatSplit(
            width_in=packing.per_beat,
            width=1,
            rest=packing.last_words,
            bits=packing.word_bits,
        )
        m.d.comb += [
            split.i.valid.eq(self.i.valid),
            split.i.payload.values.eq(self.i.payload[: packing.per_beat * packing.word_bits]),
            split.i.payload.short.eq(last),
            self.i.ready.eq(split.i.ready),
            self.o.valid.eq(split.o.valid),
            self.o.payload.eq(split.o.payload.as_value()),
            split.o.ready.eq(self.o.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        return m

    def _gather(self, m: Module) -> None:
        """A word of several beats, the lowest first."""
        packing = self._packing
        number = Signal(below(packing.word_beats))
        last = number == packing.word_beats - 1
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
            with m.If(last):
                m.d.sync += self.o.valid.eq(1)
            with m.Switch(number):
                for beat in range(packing.word_beats):
                    with m.Case(beat):
                        part = self.o.payload[beat * packing.beat_bits :][: packing.beat_bits]
                        m.d.sync += part.eq(self.i.payload)
