"""Rotations by any amount, one a cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.isa.timing import rotate_latency
from hw.stages.rotate_words import RotateWords


@pytest.mark.parametrize("words", [2, 3, 8, 17, 40])
def test_rotations(words: int) -> None:
    bits, count = 5, 30
    rng = np.random.default_rng(words)
    rows = rng.integers(0, 1 << bits, (count, words))
    amounts = rng.integers(0, words, count)
    dut = RotateWords(words=words, bits=bits)
    latency = rotate_latency(words)
    found = []

    async def bench(ctx: Any) -> None:
        for cycle in range(count + latency):
            if cycle >= latency:
                row = ctx.get(dut.o)
                found.append([row >> (bits * k) & ((1 << bits) - 1) for k in range(words)])
            if cycle < count:
                ctx.set(dut.i, sum(int(v) << (bits * k) for k, v in enumerate(rows[cycle])))
                ctx.set(dut.i_amount, int(amounts[cycle]))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    assert found == [np.roll(r, -a).tolist() for r, a in zip(rows, amounts, strict=True)]
