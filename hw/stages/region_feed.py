"""What a stage gets of the memory: its queue, and words out of its beats."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.lib.queue import Queue
from hw.lib.relay import Relay
from hw.stages.beat_words import BeatWords
from hw.stages.chunk_walk import CHUNK, ChunkWalk
from hw.stages.pass_walk import below
from hw.stages.weight_region import WeightRegion

BLOCK_DEPTH = 64  # beats: a deeper queue is block RAM


class RegionFeed(wiring.Component):
    """Asks for a stage's region, keeps the beats that come, and hands them on as words.

    Parameters
    ----------
    region : of the stage.

    Members
    -------
    i_start : In. The memory holds what is to be read.
    o_chunk : stream of what is asked for.
    i_beat, i_valid : In. A beat; its room was reserved.
    o_parameters, o_weights : streams of words.
    """

    def __init__(self, *, region: WeightRegion) -> None:
        self._region = region
        super().__init__(
            {
                "i_start": In(1),
                "o_chunk": Out(stream.Signature(CHUNK)),
                "i_beat": In(region.weights.beat_bits),
                "i_valid": In(1),
                "o_parameters": Out(stream.Signature(region.parameters.word_bits)),
                "o_weights": Out(stream.Signature(region.weights.word_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        region = self._region
        m.submodules.walk = walk = ChunkWalk(region=region)
        m.submodules.queue = queue = Queue(
            shape=region.weights.beat_bits, depth=region.depth, block=region.depth > BLOCK_DEPTH
        )
        m.submodules.parameters = parameters = BeatWords(packing=region.parameters)
        m.submodules.weights = weights = BeatWords(packing=region.weights)
        number, begun = Signal(below(region.parameters.beats)), Signal()
        taken = queue.o.valid & queue.o.ready
        m.d.comb += [
            walk.i_start.eq(self.i_start),
            walk.i_taken.eq(taken),
            queue.i.payload.eq(self.i_beat),
            queue.i.valid.eq(self.i_valid),
            parameters.i.payload.eq(queue.o.payload),
            parameters.i.valid.eq(queue.o.valid & ~begun),
            weights.i.payload.eq(queue.o.payload),
            weights.i.valid.eq(queue.o.valid & begun),
        ]
        with m.If(begun):
            m.d.comb += queue.o.ready.eq(weights.i.ready)
        with m.Else():
            m.d.comb += queue.o.ready.eq(parameters.i.ready)
            with m.If(taken):
                m.d.sync += [
                    number.eq(number + 1),
                    begun.eq(number == region.parameters.beats - 1),
                ]
        connect(m, walk.o, flipped(self.o_chunk))
        connect(m, parameters.o, flipped(self.o_parameters))
        m.submodules.relay = relay = Relay(shape=region.weights.word_bits)
        connect(m, weights.o, relay.i)
        connect(m, relay.o, flipped(self.o_weights))
        return m
