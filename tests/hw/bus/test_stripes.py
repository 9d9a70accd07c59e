"""StripedReader: whole beats in order over ports that stall apart, errors, aborts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.bus.stripes import StripedReader
from tests.hw.bus.memory_model import ReadMemory, content
from tests.hw.bus.test_reader import SLOW, collect, command, simulate

BYTES = 16
DEPTH = 300


def striped(ports: int, stall: float, rng: random.Random) -> tuple[Any, list[int], list[Any]]:
    """The reader, its bases, and a memory behind each port with stalls of its own."""
    dut = StripedReader(ports=ports, data_bytes=BYTES, depth=DEPTH)
    bases = [4096 * rng.randrange(1, 1 << 40) for _ in range(ports)]
    memories = [
        ReadMemory(port, BYTES, stall=stall, latency=rng.choice([2, 40]), rng=rng)
        for port in dut.axi
    ]
    return dut, bases, memories


def wide(bases: list[int], offset: int) -> int:
    """The beat whose parts lie at an offset from each base."""
    parts = (content(base + offset, BYTES) for base in bases)
    return sum(part << 8 * BYTES * port for port, part in enumerate(parts))


def run(dut: Any, bases: list[int], memories: list[Any], *testbenches: Any) -> None:
    """Runs testbenches with the bases set, beside all memories."""

    async def serve(ctx: Any) -> None:
        for port, base in enumerate(bases):
            ctx.set(dut.i_bases[port], base)
        await memories[0].serve(ctx)

    simulate(dut, *testbenches, background=(serve, *(memory.serve for memory in memories[1:])))


@pytest.mark.parametrize("examples", [4, pytest.param(10, marks=SLOW)])
def test_beats_come_whole_and_in_order(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(TRAFFIC(beats_come_whole_and_in_order))()


TRAFFIC = given(
    ports=st.sampled_from([1, 2, 4]),
    commands=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 150)), max_size=5),
    stall=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 99),
)


def beats_come_whole_and_in_order(
    ports: int, commands: list[tuple[int, int]], stall: float, seed: int
) -> None:
    rng = random.Random(seed)
    dut, bases, memories = striped(ports, stall, rng)
    expected = [wide(bases, BYTES * (beat + n)) for beat, beats in commands for n in range(beats)]
    memories[-1].fail = {n for n in range(len(expected)) if rng.random() < 0.1}

    async def ask(ctx: Any) -> None:
        for beat, beats in commands:
            await command(ctx, dut.i, BYTES * beat, beats)

    async def take(ctx: Any) -> None:
        got = await collect(ctx, dut, len(expected), rng, stall)
        assert got == [-v if n in memories[-1].fail else v for n, v in enumerate(expected)]
        await ctx.tick().repeat(10)
        assert ctx.get(dut.o_idle)
        assert not ctx.get(dut.o.valid)

    run(dut, bases, memories, ask, take)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in (1, 2))])
def test_abort_waits_for_every_port(seed: int) -> None:
    rng = random.Random(seed)
    dut, bases, memories = striped(2, 0.4, rng)

    async def abort(ctx: Any) -> None:
        for _ in range(3):
            await command(ctx, dut.i, BYTES * rng.randrange(1000), 400)
            ctx.set(dut.o.ready, rng.random() < 0.5)
            await ctx.tick().repeat(100 + rng.randrange(200))
            memories[1].hung = True
            ctx.set(dut.i_abort, 1)
            ctx.set(dut.o.ready, 0)
            await ctx.tick().repeat(DEPTH)
            busy = memories[1].outstanding or ctx.get(dut.axi[1].ar.valid)
            assert ctx.get(dut.o_idle) == (not busy)
            memories[1].hung = False
            await ctx.tick().until(dut.o_idle)
            await ctx.tick()
            ctx.set(dut.i_abort, 0)
            await command(ctx, dut.i, 0x1230, 230)
            got = await collect(ctx, dut, 230, rng, 0.3)
            assert got == [wide(bases, 0x1230 + BYTES * n) for n in range(230)]

    run(dut, bases, memories, abort)
