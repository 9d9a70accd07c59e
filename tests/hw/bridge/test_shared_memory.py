"""Masters that share a memory: every beat right, no master starves, nothing beyond the end."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.bridge.shared_memory import SharedMemory

SIZE, WIDTH = 512, 8
ROWS = SIZE // WIDTH
DECERR = 3


def simulate(dut: SharedMemory, *benches: Any) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


async def write(
    ctx: Any, port: Any, rng: random.Random, row: int, beats: list[tuple[int, int]], tag: int = 0
) -> int:
    """A burst of (data, strobes); the response."""
    ctx.set(port.aw.payload.addr, row * WIDTH)
    ctx.set(port.aw.payload.len, len(beats) - 1)
    ctx.set(port.aw.payload.id, tag)
    ctx.set(port.aw.valid, 1)
    await ctx.tick().until(port.aw.ready)
    ctx.set(port.aw.valid, 0)
    for number, (data, strobes) in enumerate(beats):
        if rng.random() < 0.3:
            await ctx.tick().repeat(rng.randrange(1, 4))
        ctx.set(port.w.payload, {"data": data, "strb": strobes, "last": number == len(beats) - 1})
        ctx.set(port.w.valid, 1)
        await ctx.tick().until(port.w.ready)
        ctx.set(port.w.valid, 0)
    ctx.set(port.b.ready, 1)
    (response,) = await ctx.tick().sample(port.b.payload).until(port.b.valid)
    ctx.set(port.b.ready, 0)
    assert response.id == tag
    return int(response.resp)


async def read(
    ctx: Any, port: Any, rng: random.Random, row: int, count: int, tag: int = 0, rest: float = 0.3
) -> tuple[list[int], int]:
    """The beats of a burst, and the response that all of them have."""
    ctx.set(port.ar.payload, {"addr": row * WIDTH, "len": count - 1, "id": tag})
    ctx.set(port.ar.valid, 1)
    await ctx.tick().until(port.ar.ready)
    ctx.set(port.ar.valid, 0)
    beats, responses = [], set()
    for number in range(count):
        if rng.random() < rest:
            await ctx.tick().repeat(rng.randrange(1, 4))
        ctx.set(port.r.ready, 1)
        (beat,) = await ctx.tick().sample(port.r.payload).until(port.r.valid)
        ctx.set(port.r.ready, 0)
        assert (beat.id, beat.last) == (tag, number == count - 1)
        beats.append(int(beat.data))
        responses.add(int(beat.resp))
    (response,) = responses
    return beats, response


@pytest.mark.parametrize("seed", range(3))
def test_masters_see_what_each_of_them_wrote(seed: int) -> None:
    """Each writes and reads rows of its own, all at once."""
    dut = SharedMemory(size=SIZE, data_bytes=WIDTH, readers=3, writers=2)

    def master(number: int) -> Any:
        rng = random.Random(10 * seed + number)
        contents = [0] * ROWS

        async def bench(ctx: Any) -> None:
            for _ in range(15):
                count = rng.choice([1, 2, 9])
                row = 2 * rng.randrange((ROWS - 2 * count) // 2 + 1)
                for at in range(row, row + count):
                    if at % 2 != number:
                        continue
                    data, strobes = rng.getrandbits(64), rng.getrandbits(8)
                    mask = sum(0xFF << 8 * k for k in range(8) if strobes >> k & 1)
                    contents[at] = contents[at] & ~mask | data & mask
                    assert await write(ctx, dut.i_write[number], rng, at, [(data, strobes)]) == 0
                beats, response = await read(
                    ctx, dut.i_read[number], rng, row, count, tag=rng.randrange(2)
                )
                assert response == 0
                for at, beat in enumerate(beats, row):
                    if at % 2 == number:
                        assert beat == contents[at]

        return bench

    simulate(dut, master(0), master(1))


def test_bursts_are_as_fast_as_promised() -> None:
    dut = SharedMemory(size=SIZE, data_bytes=WIDTH, readers=1, writers=1)
    rng = random.Random(1)

    async def bench(ctx: Any) -> None:
        values = [(rng.getrandbits(64), 0xFF) for _ in range(16)]
        assert await write(ctx, dut.i_write[0], rng, 8, values, tag=1) == 0
        port = dut.i_read[0]
        ctx.set(port.ar.payload, {"addr": 8 * WIDTH, "len": 15, "id": 1})
        ctx.set(port.ar.valid, 1)
        ctx.set(port.r.ready, 1)
        await ctx.tick().until(port.ar.ready)
        ctx.set(port.ar.valid, 0)
        seen = []
        for _ in range(18):
            valid, beat = ctx.get(port.r.valid), ctx.get(port.r.payload.data)
            seen.append(beat if valid else None)
            await ctx.tick()
        assert seen == [None, *(data for data, _ in values), None]

    simulate(dut, bench)


def test_no_master_starves() -> None:
    """Two that always ask do not keep the third from its turn."""
    dut = SharedMemory(size=SIZE, data_bytes=WIDTH, readers=3, writers=1)
    order: list[int] = []

    def master(number: int, bursts: int) -> Any:
        async def bench(ctx: Any) -> None:
            for _ in range(bursts):
                await read(ctx, dut.i_read[number], random.Random(1), 0, 4, rest=0.0)
                order.append(number)

        return bench

    simulate(dut, *(master(number, 6) for number in range(3)))
    assert all(set(order[at : at + 3]) == {0, 1, 2} for at in range(0, 18, 3))


def test_what_lies_beyond_is_an_error() -> None:
    dut = SharedMemory(size=SIZE, data_bytes=WIDTH, readers=1, writers=1)
    rng = random.Random(1)

    async def bench(ctx: Any) -> None:
        for row in (ROWS, 1 << 40):
            assert await write(ctx, dut.i_write[0], rng, row, [(1, 0xFF), (2, 0xFF)]) == DECERR
            _, response = await read(ctx, dut.i_read[0], rng, row, 2)
            assert response == DECERR
        beats, response = await read(ctx, dut.i_read[0], rng, 0, 2)
        assert (beats, response) == ([0, 0], 0)

    simulate(dut, bench)
