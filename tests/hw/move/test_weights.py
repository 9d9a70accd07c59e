"""The weight buffer against a list, and the weight reader against its instruction."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.isa import Error
from hw.isa.config import OverlayConfig
from hw.isa.register_map import UNLIMITED
from hw.isa.timing import POP_LATENCY, ROOM_LATENCY
from hw.lib.replay import WeightBuffer
from hw.move.weights import WeightReader


def simulate(dut: Any, *testbenches: Any) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


class Model:
    """Words written, and the reader's two pointers into them."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.words: list[int] = []
        self.read = 0
        self.freed = 0
        self.seen = [0] * ROOM_LATENCY  # of it, by the writer

    @property
    def level(self) -> int:
        return len(self.words) - self.read

    @property
    def room(self) -> bool:
        return len(self.words) - self.seen[-1] < self.depth

    def step(
        self, word: int | None, *, pop: bool, hold: bool, rewind: bool, release: bool
    ) -> int | None:
        """One cycle; returns the popped word."""
        popped = None
        if pop:
            popped = self.words[self.read]
            self.read += 1
        if release or (pop and not hold):
            self.freed = self.read
        elif rewind:
            self.read = self.freed
        if word is not None and self.room:
            self.words.append(word)
        self.seen = [self.freed, *self.seen[:-1]]
        return popped


@pytest.mark.parametrize("examples", [10, pytest.param(25, marks=pytest.mark.slow)])
def test_buffer_follows_its_model(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(TRAFFIC(buffer_follows_its_model))()


TRAFFIC = given(
    depth=st.integers(2, 9),
    seed=st.integers(0, 1 << 30),
    rates=st.tuples(*4 * [st.sampled_from([0.0, 0.1, 0.5, 0.9])]),
    write_rate=st.sampled_from([0.3, 1.0]),
)


def buffer_follows_its_model(
    depth: int, seed: int, rates: tuple[float, ...], write_rate: float
) -> None:
    rng = random.Random(seed)
    dut = WeightBuffer(depth=depth, word_bits=16)
    model = Model(depth)
    pipeline: list[int | None] = [None] * POP_LATENCY

    async def run(ctx: Any) -> None:
        data = None
        for _ in range(300):
            assert ctx.get(dut.o.level) == model.level
            popped = pipeline.pop(0)
            data = popped if popped is not None else data
            assert data is None or ctx.get(dut.o.data) == data
            pop, hold, rewind, release = (rng.random() < rate for rate in rates)
            pop = (pop or rng.random() < 0.3) and model.level > 0
            rewind = rewind and not (release or (pop and not hold))
            rewind = rewind and (pop or model.read > model.freed)
            word = rng.getrandbits(16) if rng.random() < write_rate else None
            ctx.set(dut.i.payload, word or 0)
            ctx.set(dut.i.valid, word is not None)
            ctx.set(dut.o.pop, pop)
            ctx.set(dut.o.hold, hold)
            ctx.set(dut.o.rewind, rewind)
            ctx.set(dut.o.release, release)
            assert ctx.get(dut.i.ready) == model.room
            pipeline.append(model.step(word, pop=pop, hold=hold, rewind=rewind, release=release))
            await ctx.tick()

    simulate(dut, run)


def test_replay_without_a_gap() -> None:
    """A held segment is read three times, back to back, then freed; the next follows at once."""
    dut = WeightBuffer(depth=5, word_bits=8)
    got: list[int] = []

    async def write(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        for word in range(1, 9):
            ctx.set(dut.i.payload, word)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def read(ctx: Any) -> None:
        await ctx.tick().repeat(6)
        pops = [(1, 0, 0), (1, 0, 0), (1, 1, 0)] * 2 + [(1, 0, 0), (1, 0, 0), (1, 0, 1)]
        pops += [(0, 0, 0)] * 5
        for hold, rewind, release in pops:
            ctx.set(dut.o.pop, 1)
            ctx.set(dut.o.hold, hold)
            ctx.set(dut.o.rewind, rewind)
            ctx.set(dut.o.release, release)
            assert ctx.get(dut.o.level) > 0
            await ctx.tick()
        ctx.set(dut.o.pop, 0)

    async def data(ctx: Any) -> None:
        await ctx.tick().repeat(6 + POP_LATENCY)
        for _ in range(14):
            got.append(ctx.get(dut.o.data))
            await ctx.tick()

    simulate(dut, write, read, data)
    assert got == [1, 2, 3] * 3 + [4, 5, 6, 7, 8]


def config(word_beats: int) -> OverlayConfig:
    """Weight words of about that many beats."""
    return OverlayConfig(
        rows=2,
        columns=max(2, 2 * word_beats - 1),
        lanes=2,
        axi_bytes=4,
        tensor_bytes=1024,
        parameter_depth=64,
    )


@pytest.mark.parametrize("examples", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_reader_walks_segments(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(SEGMENTS(reader_walks_segments))()


SEGMENTS = given(
    word_beats=st.integers(1, 4),
    data=st.data(),
    stall=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 99),
)


def reader_walks_segments(word_beats: int, data: Any, stall: float, seed: int) -> None:
    rng = random.Random(seed)
    made = config(word_beats)
    dut = WeightReader(config=made)
    words = -(-made.weight_word_bytes // 4)
    draw = data.draw
    count = st.integers(1, 5)
    codes = [
        {
            "offset": 4 * draw(st.integers(0, 1 << 30)),
            "beats_per_word": draw(st.integers(1, words)),
            "segments": draw(count),
            "segment_words": draw(count),
            "last_words": draw(count),
            "repeats": draw(count),
        }
        for _ in range(draw(st.integers(1, 3)))
    ]
    commands, expected, retires = _expected(codes)
    asked: list[tuple[int, int]] = []
    retired: list[int] = []
    got: list[int] = []

    ends = [address + 4 * beats for address, beats in commands]

    async def give(ctx: Any) -> None:
        ctx.set(dut.i_size, max(ends))  # nothing is read beyond: no failure
        for code in codes:
            for name, value in code.items():
                ctx.set(getattr(dut.i.payload, name), value)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def memory(ctx: Any) -> None:
        ctx.set(dut.o_command.ready, 1)
        waiting: list[int] = []
        while len(got) < len(expected) or waiting:
            offer = bool(waiting) and rng.random() >= stall
            ctx.set(dut.i_beat.valid, offer)
            ctx.set(dut.i_beat.payload, waiting[0] if waiting else 0)
            _, _, asks, address, beats, ready = await ctx.tick().sample(
                dut.o_command.valid,
                dut.o_command.payload.address,
                dut.o_command.payload.beats,
                dut.i_beat.ready,
            )
            if offer and ready:
                waiting.pop(0)
            if asks:
                asked.append((address, beats))
                waiting += [(address + 4 * n) & 0xFFFFFFFF for n in range(beats)]

    async def take(ctx: Any) -> None:
        for _ in range(20000):
            ready = rng.random() >= stall
            ctx.set(dut.o.ready, ready)
            _, _, valid, value, retire = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.o_retire
            )
            if retire:
                retired.append(len(got))
            if valid and ready:
                got.append(value)
            if len(retired) == len(codes):
                return
        raise AssertionError("no end")

    simulate(dut, give, memory, take)
    assert asked == commands
    assert retired == retires
    for value, (word, beats) in zip(got, expected, strict=True):
        mask = (1 << min(32 * beats, 8 * made.weight_word_bytes)) - 1
        assert value & mask == word & mask


def _expected(
    codes: list[dict[str, int]],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], list[int]]:
    """Commands, words with their beats, and the words before each retirement."""
    commands, words, retires = [], [], []
    for code in codes:
        beats = code["beats_per_word"]
        for segment in range(code["segments"]):
            last = segment == code["segments"] - 1
            count = code["last_words" if last else "segment_words"]
            start = code["offset"] + 4 * beats * segment * code["segment_words"]
            for _ in range(code["repeats"]):
                commands.append((start, count * beats))
                for word in range(count):
                    parts = [
                        (start + 4 * (word * beats + n) & 0xFFFFFFFF) << 32 * n
                        for n in range(beats)
                    ]
                    words.append((sum(parts), beats))
        retires.append(len(words))
    return commands, words, retires


@pytest.mark.parametrize("segment", [1, 2, 3])
@pytest.mark.parametrize("offset", [0, 400])
def test_reader_fails_before_the_segment_that_leaves_its_region(segment: int, offset: int) -> None:
    """Segments of 5 words and a last one of 7, of 2 beats each, read twice; a byte is missing."""
    dut = WeightReader(config=config(3))
    ends = {1: 40, 2: 80, 3: 136}
    asked = 0

    async def run(ctx: Any) -> None:
        nonlocal asked
        values = {"beats_per_word": 2, "segments": 3, "segment_words": 5, "last_words": 7}
        for name, value in {**values, "repeats": 2, "offset": offset, "tag": 9}.items():
            ctx.set(getattr(dut.i.payload, name), value)
        ctx.set(dut.i_size, offset + ends[segment] - 1)
        for port in (dut.i.valid, dut.o_command.ready, dut.i_beat.valid, dut.o.ready):
            ctx.set(port, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        for _ in range(200):
            _, _, asks = await ctx.tick().sample(dut.o_command.valid)
            asked += asks
        assert ctx.get(dut.o_failed)
        assert ctx.get(dut.o_failure.code) == Error.REGION
        assert ctx.get(dut.o_failure.tag) == 9

    simulate(dut, run)
    assert asked == 2 * (segment - 1)


@pytest.mark.parametrize("beats", [1, 3])
def test_reader_keeps_up_with_the_bus(beats: int) -> None:
    dut = WeightReader(config=config(3))
    cycles = 0

    async def run(ctx: Any) -> None:
        nonlocal cycles
        ctx.set(dut.i_size, UNLIMITED)
        values = {"beats_per_word": beats, "segments": 1, "last_words": 100, "repeats": 1}
        for name, value in values.items():
            ctx.set(getattr(dut.i.payload, name), value)
        for port in (dut.i.valid, dut.o_command.ready, dut.i_beat.valid, dut.o.ready):
            ctx.set(port, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        while not ctx.get(dut.o_retire):
            await ctx.tick()
            cycles += 1

    simulate(dut, run)
    assert cycles <= 100 * beats + 10
