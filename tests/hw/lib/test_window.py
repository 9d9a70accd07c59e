"""The window walk against its defining formulas."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.isa import WINDOW
from hw.isa.config import OverlayConfig
from hw.isa.timing import WALK_LATENCY
from hw.lib.window import PixelStep, Step, WindowWalker

CONFIG = OverlayConfig(rows=2, columns=2, lanes=1, tensor_bytes=1 << 12, axi_bytes=4)
WORD = 3


def random_window(rng: random.Random) -> dict[str, int]:
    pitch = rng.randint(1, 20)
    window = dict.fromkeys(WINDOW, 0)
    window.update(
        row_pitch=pitch * rng.randint(1, 12),
        height=rng.randint(1, 9),
        row0=-rng.randint(0, 3),
        position0=-rng.randint(0, 3) * pitch + rng.randint(0, 3),
        row_step=rng.randint(1, 3),
        column_step=rng.randint(1, 3) * pitch,
        tap_row_step=rng.randint(1, 3),
        tap_column_step=rng.randint(1, 3) * pitch,
        out_width=rng.choice((1, 2, 5)),
    )
    window["address"] = rng.randrange(1 << 12) + window["row0"] * window["row_pitch"]
    window["row_step_bytes"] = window["row_step"] * window["row_pitch"]
    window["tap_row_bytes"] = window["tap_row_step"] * window["row_pitch"]
    return window


class Reference:
    """Plain indices, and the formulas of ``hw.lib.window``."""

    def __init__(self, window: dict[str, int]) -> None:
        self.window = window
        self.pixel = self.tile = 0
        self.index = {"tap_row": 0, "tap_column": 0, "word": 0}

    def place(self) -> dict[str, int]:
        w, (oy, ox) = self.window, divmod(self.pixel, self.window["out_width"])
        ky, kx, word = self.index.values()
        row = w["row0"] + oy * w["row_step"] + ky * w["tap_row_step"]
        position = w["position0"] + ox * w["column_step"] + kx * w["tap_column_step"] + word * WORD
        line = w["address"] + oy * w["row_step_bytes"] + ky * w["tap_row_bytes"]
        return {
            "address": (line + position) % CONFIG.tensor_bytes,
            "row": row,
            "row_valid": int(0 <= row < w["height"]),
            "position": position,
        }

    def move(self, step: dict[str, Any]) -> None:
        for axis in self.index:
            self.index[axis] = {
                Step.HOLD: self.index[axis],
                Step.NEXT: self.index[axis] + 1,
                Step.FIRST: 0,
            }[step[axis]]
        self.pixel, self.tile = {
            PixelStep.HOLD: (self.pixel, self.tile),
            PixelStep.NEXT: (self.pixel + 1, self.tile),
            PixelStep.AGAIN: (self.tile, self.tile),
            PixelStep.TILE: (self.pixel + 1, self.pixel + 1),
            PixelStep.FIRST: (0, 0),
        }[step["pixel"]]


def walk(
    runs: list[tuple[dict[str, int], list[dict[str, Any]]]], rng: random.Random, busy: float
) -> tuple[list[dict[str, int]], int]:
    """The places of all runs, and the cycles that the last run took."""
    dut = WindowWalker(config=CONFIG, word_bytes=WORD, extra=8)
    places: list[dict[str, int]] = []
    cycles = 0

    async def bench(ctx: Any) -> None:
        nonlocal cycles
        for window, steps in runs:
            ctx.set(dut.i_window, window)
            ctx.set(dut.i_start, 1)
            await ctx.tick()
            ctx.set(dut.i_start, 0)
            target, sent, cycles = len(places) + len(steps), 0, 0
            while len(places) < target:
                valid = sent < len(steps) and rng.random() < busy
                ctx.set(dut.i.valid, valid)
                if valid:
                    ctx.set(dut.i.payload, {**steps[sent], "extra": sent % 256})
                ctx.set(dut.o.ready, rng.random() < busy)
                if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                    names = ("address", "row", "row_valid", "position", "extra")
                    places.append({n: ctx.get(getattr(dut.o.payload, n)) for n in names})
                sent += valid and ctx.get(dut.i.ready)
                cycles += 1
                await ctx.tick()
            ctx.set(dut.i.valid, 0)

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    return places, cycles


def expected(window: dict[str, int], steps: list[dict[str, Any]]) -> list[dict[str, int]]:
    reference, places = Reference(window), []
    for index, step in enumerate(steps):
        places.append({**reference.place(), "extra": index % 256})
        reference.move(step)
    return places


def test_any_steps_with_stalls() -> None:
    rng = random.Random(3)
    runs = []
    for _ in range(25):
        steps = []
        for _ in range(60):
            step: dict[str, Any] = {
                axis: rng.choices(list(Step), (6, 3, 1))[0]
                for axis in ("tap_row", "tap_column", "word")
            }
            step["pixel"] = rng.choices(list(PixelStep), (3, 6, 1, 2, 1))[0]
            steps.append(step)
        runs.append((random_window(rng), steps))
    places, _ = walk(runs, rng, busy=0.6)
    assert places == [place for run in runs for place in expected(*run)]


def test_one_place_a_cycle() -> None:
    rng = random.Random(4)
    idle = dict.fromkeys(("tap_row", "tap_column", "word"), Step.HOLD)
    steps = [{**idle, "pixel": PixelStep.NEXT}] * 100
    window = random_window(rng)
    places, cycles = walk([(window, steps)], rng, busy=1.0)
    assert places == expected(window, steps)
    assert cycles == len(steps) + WALK_LATENCY


def test_refuses() -> None:
    with pytest.raises(ValueError, match="word_bytes must be a positive integer, not 0"):
        WindowWalker(config=CONFIG, word_bytes=0, extra=1)
