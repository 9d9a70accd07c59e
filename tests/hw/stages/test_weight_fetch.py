"""Words out of a memory that stalls: every stage gets its own, once or again and again."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.stages.chunk_walk import ChunkWalk
from hw.stages.scheme import Scheme
from hw.stages.weight_fetch import WeightFetch
from hw.stages.weight_region import (
    COVERED,
    WeightBus,
    WeightRegion,
    WordPacking,
    chunk_beats,
    weight_regions,
)
from tests.hw.bus.memory_model import ReadMemory, content
from tests.hw.stages.stage_drawing import draw_shape
from tests.hw.stages.test_layer_stage import stage

_SCHEMES = (Scheme.MAP, Scheme.LINE)


def packed(bus: WeightBus, base: list[int], start: int, packing: WordPacking) -> list[int]:
    """The words that a part of a region holds, from the bytes of the memory alone."""
    beats = []
    for beat in range(start, start + packing.beats):
        stripes = (content(b + bus.data_bytes * beat, bus.data_bytes) for b in base)
        beats.append(sum(s << 8 * bus.data_bytes * port for port, s in enumerate(stripes)))
    mask = (1 << packing.word_bits) - 1
    if packing.word_beats > 1:
        many = packing.word_beats
        whole = [
            sum(beat << n * bus.beat_bits for n, beat in enumerate(beats[at : at + many]))
            for at in range(0, len(beats), many)
        ]
        return [word & mask for word in whole]
    words = [
        beat >> n * packing.word_bits & mask for beat in beats for n in range(packing.per_beat)
    ]
    return words[: packing.words]


def fetched(regions: tuple[WeightRegion, ...], bus: WeightBus, seed: int, stall: float) -> None:
    """Two readings of all weights that come again, and nothing beyond those that come once."""
    rng = random.Random(seed)
    dut = WeightFetch(regions=regions, bus=bus)
    bases = [4096 * rng.randrange(1, 1 << 40) for _ in range(bus.ports)]
    memories = [
        ReadMemory(port, bus.data_bytes, stall=stall, latency=rng.choice([2, 40]), rng=rng)
        for port in dut.axi
    ]

    def taking(number: int, name: str, words: list[int]) -> Any:
        port = getattr(dut, f"o_{name}_{number}")

        async def bench(ctx: Any) -> None:
            got: list[int] = []
            while len(got) < len(words):
                ready = rng.random() >= stall
                ctx.set(port.ready, ready)
                _, _, valid, word = await ctx.tick().sample(port.valid, port.payload)
                if valid and ready:
                    got.append(word)
            ctx.set(port.ready, 0)
            assert got == words
            if name == "parameters" or regions[number].stays:
                await ctx.tick().repeat(100)
                assert not ctx.get(port.valid)

        return bench

    async def start(ctx: Any) -> None:
        for port, base in enumerate(bases):
            ctx.set(dut.i_bases[port], base)
        await ctx.tick().repeat(3)
        ctx.set(dut.i_start, 1)

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(start)
    for memory in memories:
        sim.add_process(memory.serve)
    for number, region in enumerate(regions):
        records = packed(bus, bases, region.start, region.parameters)
        weights = packed(bus, bases, region.weight_start, region.weights)
        sim.add_testbench(taking(number, "parameters", records))
        sim.add_testbench(taking(number, "weights", weights * (1 if region.stays else 2)))
    sim.run()
    for memory in memories:
        assert not memory.fail


@pytest.mark.parametrize("seed", range(4))
def test_every_stage_gets_its_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = []
    while len(shapes) < 3:
        shape = draw_shape(rng)
        if shape.wave_cycles * shape.tiles * shape.weight_pieces < 150:
            shapes.append(shape)
    bus = WeightBus(ports=int(rng.choice([1, 2, 4])), data_bytes=int(rng.choice([8, 16])))
    fetched(weight_regions(shapes, bus), bus, seed, float(rng.choice([0, 0.4])))


def test_words_of_several_beats() -> None:
    """Rows of 3 x 4 weights of 16 bits take three beats of 64 bits."""
    shapes = [stage(size_in=3, para_in=3, para_out=4, para_seg=9, scheme=s) for s in _SCHEMES]
    bus = WeightBus(data_bytes=8)
    regions = weight_regions(shapes, bus)
    assert max(region.weights.word_beats for region in regions) > 1
    fetched(regions, bus, 5, 0.3)


def test_regions_follow_each_other() -> None:
    bus = WeightBus(ports=2, data_bytes=16)
    regions = weight_regions([stage(), stage(n_out=9)], bus)
    chunk = chunk_beats(2)
    assert regions[0].start == 0
    assert regions[1].start == regions[0].end
    assert all(one.weight_start % chunk == one.end % chunk == 0 for one in regions)
    assert regions[0].parameters.beats == 1 + 4  # the header, and a beat for each channel
    assert [chunk_beats(n) for n in (1, 12, 13, 60, 100)] == [16, 16, 32, 64, 64]


def test_room_for_a_latency() -> None:
    """What a stage takes in so many cycles is there when it asks for a chunk more."""
    shape = stage(scheme=_SCHEMES[0], n_in=8, n_out=8, kernel=1, pad=0, size_in=1, para_seg=1)
    (region,) = weight_regions([shape], WeightBus(data_bytes=8))
    rate = region.weights.beats / shape.cycles
    assert region.depth >= region.chunk + COVERED * rate > 2 * region.chunk
    (slow,) = weight_regions([stage(scheme=_SCHEMES[0])], WeightBus(data_bytes=64))
    assert slow.depth == 2 * slow.chunk


def test_it_asks_only_for_what_has_room() -> None:
    (region,) = weight_regions([stage(scheme=_SCHEMES[0])], WeightBus(data_bytes=8))
    dut = ChunkWalk(region=region)
    asked = 0

    async def bench(ctx: Any) -> None:
        nonlocal asked
        ctx.set(dut.i_start, 1)
        ctx.set(dut.o.ready, 1)
        for _ in range(200):
            _, _, valid, beats = await ctx.tick().sample(dut.o.valid, dut.o.payload.beats)
            asked += beats if valid else 0

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    assert region.depth - region.chunk < asked <= region.depth
