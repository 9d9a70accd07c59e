"""Poolings of streams against numpy, with stalls on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.stages.maximum_shape import MaximumShape
from hw.stages.window_maximum import WindowMaximum

WINDOWS = (
    (MaximumShape(kernel=3, stride=2, size_out=3), 7),
    (MaximumShape(kernel=2, stride=2, size_out=3), 5),  # the last window reaches beyond the map
    (MaximumShape(kernel=3, stride=1, pad=1, size_out=4), 4),
    (MaximumShape(kernel=2, stride=3, size_out=2), 6),
    (MaximumShape(kernel=4, stride=1, size_out=1), 4),
)


@pytest.mark.parametrize("beats", [1, 3])
@pytest.mark.parametrize(("pool", "size"), WINDOWS)
def test_maxima(pool: MaximumShape, size: int, beats: int) -> None:
    width, bits, maps = 2, 8, 2
    rng = np.random.default_rng(size * beats)
    values = rng.integers(-128, 128, (maps, size, size, beats, width))
    dut = WindowMaximum(pool=pool, size=size, beats=beats, width=width, bits=bits)
    found: list[list[int]] = []

    async def feed(ctx: Any) -> None:
        for beat in values.reshape(-1, width):
            while rng.random() < 0.3:
                await ctx.tick()
            ctx.set(dut.i.payload.values, beat.tolist())
            ctx.set(dut.i.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def take(ctx: Any) -> None:
        while len(found) < maps * pool.size_out**2 * beats:
            taken = rng.random() < 0.6
            ctx.set(dut.o.ready, taken)
            _, _, valid, *lanes = await ctx.tick().sample(
                dut.o.valid, dut.o.payload.values[0], dut.o.payload.values[1]
            )
            if valid and taken:
                found.append(lanes)

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_process(feed)
    sim.add_testbench(take)
    sim.run()
    expected = np.empty((maps, pool.size_out, pool.size_out, beats, width), np.int64)
    for y, x in np.ndindex(pool.size_out, pool.size_out):
        top, left = y * pool.stride - pool.pad, x * pool.stride - pool.pad
        rows = slice(max(0, top), top + pool.kernel)
        expected[:, y, x] = values[:, rows, max(0, left) : left + pool.kernel].max(axis=(1, 2))
    assert found == expected.reshape(-1, width).tolist()
