"""BurstWriter: order, burst rules, throughput, errors, aborts."""

from __future__ import annotations

import random
from typing import Any

from amaranth.sim import Simulator
from hypothesis import settings

from hw.bus.burst_writer import BurstWriter
from tests.hw.bus.memory_model import WriteMemory
from tests.hw.bus.test_reader import EXAMPLES, SEEDS, TRAFFIC, command, simulate


async def feed(
    ctx: Any, dut: Any, beats: list[tuple[int, int]], rng: random.Random, stall: float
) -> None:
    """Offers beats with random gaps."""
    for value, strobe in beats:
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(dut.i_data.payload.data, value)
        ctx.set(dut.i_data.payload.strobe, strobe)
        ctx.set(dut.i_data.valid, 1)
        await ctx.tick().until(dut.i_data.ready)
        ctx.set(dut.i_data.valid, 0)


@EXAMPLES
def test_beats_arrive_in_order(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(TRAFFIC(beats_arrive_in_order))()


def beats_arrive_in_order(
    data_bytes: int, commands: list[tuple[int, int]], stall: float, seed: int
) -> None:
    rng = random.Random(seed)
    dut = BurstWriter(data_bytes=data_bytes)
    memory = WriteMemory(dut.axi, data_bytes, stall=stall, rng=rng, fail={1})
    places = [
        (address // data_bytes + n) * data_bytes
        for address, beats in commands
        for n in range(beats)
    ]
    beats = [(rng.getrandbits(8 * data_bytes), rng.getrandbits(data_bytes)) for _ in places]
    errors = 0

    async def ask(ctx: Any) -> None:
        for address, count in commands:
            await command(ctx, dut.i, address, count)

    async def give(ctx: Any) -> None:
        await feed(ctx, dut, beats, rng, stall)
        await ctx.tick().repeat(4)
        await ctx.tick().until(dut.o_idle)
        await ctx.tick().repeat(2)

    async def count_errors(ctx: Any) -> None:
        nonlocal errors
        async for _, _, error in ctx.tick().sample(dut.o_error):
            errors += error

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_process(memory.serve)
    simulator.add_testbench(count_errors, background=True)
    simulator.add_testbench(ask)
    simulator.add_testbench(give)
    simulator.run()
    assert memory.data == [
        (place, value, strobe) for place, (value, strobe) in zip(places, beats, strict=True)
    ]
    assert memory.answered == len(memory.bursts)
    assert errors == (memory.answered > 1)


def test_a_beat_per_cycle() -> None:
    dut = BurstWriter(data_bytes=64)
    memory = WriteMemory(dut.axi, 64, latency=60)
    cycles = 0

    async def ask(ctx: Any) -> None:
        await command(ctx, dut.i, 64 * 5, 1000)

    async def give(ctx: Any) -> None:
        nonlocal cycles
        ctx.set(dut.i_data.valid, 1)
        while len(memory.data) < 1000:
            await ctx.tick()
            cycles += 1

    simulate(dut, ask, give, background=memory.serve)
    assert cycles <= 1008


@SEEDS
def test_abort_completes_bursts_without_writing(seed: int) -> None:
    rng = random.Random(seed)
    dut = BurstWriter(data_bytes=16)
    memory = WriteMemory(dut.axi, 16, latency=rng.choice([2, 30]), stall=0.4, rng=rng)

    async def run(ctx: Any) -> None:
        for _ in range(5):
            await command(ctx, dut.i, 16 * rng.randrange(1000), 400)
            given = rng.randrange(300)
            await feed(ctx, dut, [(n, 0xFFFF) for n in range(given)], rng, 0.2)
            memory.hung = True
            await ctx.tick().repeat(1 + rng.randrange(3))
            ctx.set(dut.i_abort, 1)
            before = len(memory.data)
            await ctx.tick().repeat(20)
            assert not ctx.get(dut.i.ready)
            assert not ctx.get(dut.i_data.ready)
            memory.hung = False
            await ctx.tick().until(dut.o_idle)
            assert memory.answered == len(memory.bursts)
            assert sum(strobe != 0 for _, _, strobe in memory.data[before:]) <= 2
            await ctx.tick()
            ctx.set(dut.i_abort, 0)
            before = len(memory.data)
            await command(ctx, dut.i, 0x1230, 100)
            await feed(ctx, dut, [(n, n) for n in range(100)], rng, 0.2)
            await ctx.tick().repeat(2)
            await ctx.tick().until(dut.o_idle)
            assert memory.data[before:] == [(0x1230 + 16 * n, n, n) for n in range(100)]

    simulate(dut, run, background=memory.serve)
