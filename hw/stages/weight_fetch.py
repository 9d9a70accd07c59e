"""Brings parameters and weights of all stages from memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.bus.axi import ADDRESS_BITS, AXI4Read
from hw.bus.masters import READ_DEPTH
from hw.bus.stripes import StripedReader
from hw.lib.counted_steps import Steps
from hw.lib.queue import Queue
from hw.stages.chunk_walk import CHUNK
from hw.stages.pass_walk import below
from hw.stages.region_feed import RegionFeed
from hw.stages.weight_region import WeightBus, WeightRegion

TURNS = 64  # chunks that are under way at once


class WeightFetch(wiring.Component):
    """One reader for all stages, striped over the ports; stages are asked in turn for a chunk.

    A stage asks for what it has room for, so no stage's beats ever wait in front of another's.  A
    chunk takes as many cycles as it has beats; meanwhile every stage is asked once.

    Parameters
    ----------
    regions : of the stages, packed for beats of all ports together.
    bus : the masters.

    Members
    -------
    axi : the masters. i_bases : of the stripes.
    i_start : In. The memory holds what is to be read; stays.
    o_parameters_K, o_weights_K : streams of words for stage K.
    o_failed : Out. The memory has answered with an error; stays until reset.
    """

    def __init__(self, *, regions: Sequence[WeightRegion], bus: WeightBus) -> None:
        for region in regions:
            if region.weights.beat_bits != bus.beat_bits:
                raise ValueError(
                    f"regions must be packed for beats of {bus.beat_bits} bits, not of "
                    f"{region.weights.beat_bits!r}"
                )
        self._regions = tuple(regions)
        self._bus = bus
        members: dict[str, Any] = {
            "axi": Out(AXI4Read(data_bytes=bus.data_bytes)).array(bus.ports),
            "i_bases": In(ADDRESS_BITS).array(bus.ports),
            "i_start": In(1),
            "o_failed": Out(1),
        }
        for number, region in enumerate(regions):
            for name in ("parameters", "weights"):
                word = stream.Signature(getattr(region, name).word_bits)
                members[f"o_{name}_{number}"] = Out(word)
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = self._bus
        m.submodules.reader = reader = StripedReader(
            ports=bus.ports, data_bytes=bus.data_bytes, depth=READ_DEPTH
        )
        stage, beats = below(len(self._regions)), CHUNK["beats"].shape
        turn = data.StructLayout({"stage": stage, "beats": beats, "single": 1})
        m.submodules.turns = turns = Queue(shape=turn, depth=TURNS)
        for port in range(bus.ports):
            connect(m, reader.axi[port], flipped(self.axi[port]))
            m.d.comb += reader.i_bases[port].eq(self.i_bases[port])
        feeds = []
        for number, region in enumerate(self._regions):
            m.submodules[f"feed_{number}"] = feed = RegionFeed(region=region)
            m.d.comb += feed.i_start.eq(self.i_start)
            for name in ("o_parameters", "o_weights"):
                connect(m, getattr(feed, name), flipped(getattr(self, f"{name}_{number}")))
            feeds.append(feed)
        self._ask(m, feeds, reader, turns)
        self._deal(m, feeds, reader, turns)
        with m.If(reader.o_error):
            m.d.sync += self.o_failed.eq(1)
        return m

    def _ask(self, m: Module, feeds: list[RegionFeed], reader: Any, turns: Any) -> None:
        """Each stage in turn, a cycle each; what it asks for goes to the reader."""
        present = Signal(below(len(feeds)))
        found, stage, chunk = Signal(), Signal.like(present), Signal(CHUNK)
        free = ~found | (reader.i.ready & turns.i.ready)
        m.d.comb += [
            reader.i.payload.address.eq(chunk.beat << exact_log2(self._bus.data_bytes)),
            reader.i.payload.beats.eq(chunk.beats),
            reader.i.valid.eq(found & turns.i.ready),
            turns.i.payload.stage.eq(stage),
            turns.i.payload.beats.eq(chunk.beats),
            turns.i.payload.single.eq(chunk.beats == 1),
            turns.i.valid.eq(found & reader.i.ready),
        ]
        for number, feed in enumerate(feeds):
            m.d.comb += feed.o_chunk.ready.eq(free & (present == number))
        with m.If(free):
            m.d.sync += [
                found.eq(Array(feed.o_chunk.valid for feed in feeds)[present]),
                chunk.eq(Array(feed.o_chunk.payload.as_value() for feed in feeds)[present]),
                stage.eq(present),
                present.eq(Mux(present == len(feeds) - 1, 0, present + 1)),
            ]

    def _deal(self, m: Module, feeds: list[RegionFeed], reader: Any, turns: Any) -> None:
        """Beats come in the order of their chunks; each goes to the stage that has asked.

        A turn is there before its beats, and room in the stage's queue before both.
        """
        turn = turns.o.payload
        beat, came = Signal(len(reader.o.payload), reset_less=True), Signal(len(feeds))
        m.submodules.steps = steps = Steps(bits=len(turn.beats))
        taken = reader.o.valid
        m.d.comb += [
            reader.o.ready.eq(1),
            steps.i_count.eq(turn.beats),
            steps.i_single.eq(turn.single),
            steps.i_advance.eq(taken),
            turns.o.ready.eq(taken & steps.o_last),
        ]
        m.d.sync += [beat.eq(reader.o.payload), came.eq(taken << turn.stage)]
        for place, feed in enumerate(feeds):
            m.d.comb += [feed.i_beat.eq(beat), feed.i_valid.eq(came[place])]
