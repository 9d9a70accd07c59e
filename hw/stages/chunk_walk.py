"""A stage's requests to the memory: chunk after chunk of its region."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import MAX_BURST
from hw.isa.config import ceil_div
from hw.stages.pass_walk import below
from hw.stages.weight_region import WeightRegion

CHUNK = data.StructLayout({"beat": unsigned(32), "beats": range(MAX_BURST + 1)})
"""First beat of the memory, and beats."""


class ChunkWalk(wiring.Component):
    """Asks for the parameters of a region once, then for its weights: once, or without end.

    It asks only for what has room in the stage's queue, every third cycle at most.

    Parameters
    ----------
    region : of the stage.

    Members
    -------
    i_start : In. The memory holds what is to be read.
    i_taken : In. A beat has left the stage's queue.
    o : stream of `CHUNK`.
    """

    def __init__(self, *, region: WeightRegion) -> None:
        self._region = region
        super().__init__({"i_start": In(1), "i_taken": In(1), "o": Out(stream.Signature(CHUNK))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        region = self._region
        counts = [ceil_div(p.beats, region.chunk) for p in (region.parameters, region.weights)]
        rests = [
            p.beats - (count - 1) * region.chunk
            for p, count in zip((region.parameters, region.weights), counts, strict=True)
        ]
        weights, done = Signal(), Signal()  # what is asked for; all that stays has been
        number = Signal(below(max(counts)))
        beat = Signal(32, init=region.start)
        room = Signal(range(region.depth + 1), init=region.depth)
        last, enough, fresh, asked = (
            Signal(name=name) for name in ("last", "enough", "fresh", "asked")
        )
        size = Signal.like(self.o.payload.beats)
        chunk = self.o.payload
        asks = self.o.valid & self.o.ready
        over = number == Mux(weights, counts[1] - 1, counts[0] - 1)
        m.d.comb += [
            chunk.beat.eq(beat),
            self.o.valid.eq(self.i_start & ~done & enough & fresh),
        ]
        m.d.sync += [
            # What follows from a request is known two cycles later.
            asked.eq(asks),
            size.eq(chunk.beats),
            room.eq(room - Mux(asked, size, 0) + self.i_taken),
            fresh.eq(~asks & ~asked),
            enough.eq(room >= region.chunk),
            last.eq(over),
            chunk.beats.eq(Mux(over, Mux(weights, rests[1], rests[0]), region.chunk)),
        ]
        with m.If(asks):
            m.d.sync += [number.eq(number + 1), beat.eq(beat + region.chunk)]
            with m.If(last):
                m.d.sync += [
                    number.eq(0),
                    beat.eq(region.weight_start),
                    weights.eq(1),
                    done.eq(weights & region.stays),
                ]
        return m
