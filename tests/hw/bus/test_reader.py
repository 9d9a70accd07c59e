"""BurstReader: order, burst rules, throughput over latency, errors, aborts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.bus.axi import burst_beats
from hw.bus.burst_reader import BurstReader
from tests.hw.bus.memory_model import ReadMemory, content

SLOW = pytest.mark.slow


def simulate(dut: Any, *testbenches: Any, background: Any) -> None:
    """Runs testbenches beside a memory, or several."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for memory in background if isinstance(background, tuple) else (background,):
        simulator.add_process(memory)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


async def command(ctx: Any, port: Any, address: int, beats: int) -> None:
    """Hands over one command."""
    ctx.set(port.payload.address, address)
    ctx.set(port.payload.beats, beats)
    ctx.set(port.valid, 1)
    await ctx.tick().until(port.ready)
    ctx.set(port.valid, 0)


async def collect(ctx: Any, dut: Any, count: int, rng: random.Random, stall: float) -> list[int]:
    """Takes ``count`` beats; errors are marked by a negative sign."""
    got: list[int] = []
    while len(got) < count:
        take = rng.random() >= stall
        ctx.set(dut.o.ready, take)
        _, _, valid, value, error = await ctx.tick().sample(dut.o.valid, dut.o.payload, dut.o_error)
        if take and valid:
            got.append(-value if error else value)
    ctx.set(dut.o.ready, 0)
    return got


TRAFFIC = given(
    data_bytes=st.sampled_from([4, 16, 64, 128]),
    commands=st.lists(
        st.tuples(st.integers(0, (1 << 64) - (1 << 20)), st.integers(0, 150)), max_size=5
    ),
    stall=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 99),
)
EXAMPLES = pytest.mark.parametrize("examples", [5, pytest.param(15, marks=SLOW)])


@EXAMPLES
def test_beats_come_in_order(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(TRAFFIC(beats_come_in_order))()


def beats_come_in_order(
    data_bytes: int, commands: list[tuple[int, int]], stall: float, seed: int
) -> None:
    rng = random.Random(seed)
    dut = BurstReader(data_bytes=data_bytes, depth=burst_beats(data_bytes) + rng.randrange(40))
    expected = [
        content((address // data_bytes + n) * data_bytes, data_bytes)
        for address, beats in commands
        for n in range(beats)
    ]
    failing = {n for n in range(len(expected)) if rng.random() < 0.1}
    memory = ReadMemory(dut.axi, data_bytes, stall=stall, rng=rng, fail=failing)

    async def ask(ctx: Any) -> None:
        for address, beats in commands:
            await command(ctx, dut.i, address, beats)

    async def take(ctx: Any) -> None:
        got = await collect(ctx, dut, len(expected), rng, stall)
        assert got == [-v if n in failing else v for n, v in enumerate(expected)]
        await ctx.tick().repeat(10)
        assert ctx.get(dut.o_idle)
        assert not ctx.get(dut.o.valid)

    simulate(dut, ask, take, background=memory.serve)
    assert sum(beats for _, beats in memory.bursts) == len(expected)


@pytest.mark.parametrize("latency", [1, pytest.param(100, marks=SLOW), 200])
def test_latency_is_hidden(latency: int) -> None:
    dut = BurstReader(data_bytes=64, depth=512)
    memory = ReadMemory(dut.axi, 64, latency=latency)
    beats, cycles = 1500, 0

    async def ask(ctx: Any) -> None:
        await command(ctx, dut.i, 64 * 7, beats)

    async def take(ctx: Any) -> None:
        nonlocal cycles
        ctx.set(dut.o.ready, 1)
        got = 0
        while got < beats:
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            got += valid
            cycles += 1

    simulate(dut, ask, take, background=memory.serve)
    assert cycles <= beats + latency + 8


SEEDS = pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=SLOW) for seed in range(2, 6))]
)


@SEEDS
def test_abort_drops_everything(seed: int) -> None:
    rng = random.Random(seed)
    dut = BurstReader(data_bytes=16, depth=200)
    memory = ReadMemory(dut.axi, 16, latency=rng.choice([2, 30]), stall=0.4, rng=rng)

    async def run(ctx: Any) -> None:
        for _ in range(5):
            await command(ctx, dut.i, 16 * rng.randrange(1000), 400)
            ctx.set(dut.o.ready, rng.random() < 0.5)
            for _ in range(rng.randrange(300)):
                await ctx.tick()
            memory.hung = True
            ctx.set(dut.i_abort, 1)
            ctx.set(dut.o.ready, 0)
            offered = ctx.get(dut.axi.ar.valid), ctx.get(dut.axi.ar.payload.addr)
            await ctx.tick().repeat(20)
            assert not ctx.get(dut.i.ready)
            if offered[0] and memory.outstanding == 0:
                assert not ctx.get(dut.o_idle)
            busy = memory.outstanding or ctx.get(dut.axi.ar.valid)
            assert ctx.get(dut.o_idle) == (not busy)
            memory.hung = False
            await ctx.tick().until(dut.o_idle)
            assert memory.outstanding == 0
            await ctx.tick()
            ctx.set(dut.i_abort, 0)
            assert not ctx.get(dut.o.valid)
            await command(ctx, dut.i, 0x1230, 230)
            got = await collect(ctx, dut, 230, rng, 0.3)
            assert got == [content(0x1230 + 16 * n, 16) for n in range(230)]

    simulate(dut, run, background=memory.serve)


def test_depth_must_hold_a_burst() -> None:
    with pytest.raises(ValueError, match="depth must be an integer of at least 64, not 63"):
        BurstReader(data_bytes=16, depth=63)
