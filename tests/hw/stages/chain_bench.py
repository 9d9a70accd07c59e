"""A chain of stages in Amaranth's simulator, for its cycles alone: values are all the same.

Input, weights and output are always ready; input only once weights and parameters that stay are
there, so that it does not get ahead meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from amaranth.sim import Simulator

from hw.stages.layer_pipeline import LayerPipeline
from hw.stages.shape import StageShape


def image_gaps(stages: Sequence[StageShape], images: int) -> list[list[int]]:
    """For each stage, the cycles from the end of an image to that of the next."""
    limit = 4 * (images + len(stages) + 1) * max(stage.period for stage in stages) + 4000
    ends: list[list[int]] = [[] for _ in stages]

    def watch(cycle: int, ended: int, came: int) -> bool:
        for number, cycles in enumerate(ends):
            if ended >> number & 1:
                cycles.append(cycle)
        return len(ends[-1]) == images

    _run(stages, limit, watch)
    return [[b - a for a, b in pairwise(own)] for own in ends]


def first_latency(stages: Sequence[StageShape]) -> int:
    """Cycles from the first beat to the last of the first result."""
    limit = 20 * sum(stage.period for stage in stages) + 4000
    found: list[int] = []

    def watch(cycle: int, ended: int, came: int) -> bool:
        if came:
            found.append(cycle)
        return len(found) == stages[-1].target.beats

    _run(stages, limit, watch)
    return found[-1]


def _run(stages: Sequence[StageShape], limit: int, watch: Callable[[int, int, int], bool]) -> None:
    """Until ``watch`` of a cycle, the stages that end an image and a beat's coming out is true."""
    dut = LayerPipeline(stages=stages)
    loads = (max(s.weight_depth * s.weight_pieces, s.tiles * s.para_out) for s in stages)
    start = max(loads) + 8

    async def bench(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        for number in range(len(stages)):
            for name in ("weights", "parameters"):
                ctx.set(getattr(dut, f"i_{name}_{number}").valid, 1)
        await ctx.tick().repeat(start)
        ctx.set(dut.i.valid, 1)
        for cycle in range(limit):
            _, _, ended, came = await ctx.tick().sample(dut.o_ends, dut.o.valid)
            if watch(cycle, ended, came):
                return
        raise AssertionError(f"not done in {limit} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
