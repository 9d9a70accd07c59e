"""A chain of stages in Amaranth's simulator, for its cycles alone: values are all the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from amaranth.sim import Simulator

from hw.stages.layer_pipeline import LayerPipeline
from hw.stages.shape import StageShape


def image_gaps(stages: Sequence[StageShape], images: int) -> list[list[int]]:
    """For each stage, the cycles from the end of an image to that of the next.

    Input, weights and output are always ready; input only once weights and parameters that stay are
    there, so that it does not get ahead meanwhile.
    """
    dut = LayerPipeline(stages=stages)
    loads = (max(s.weight_depth * s.weight_pieces, s.tiles * s.para_out) for s in stages)
    limit = 4 * (images + len(stages) + 1) * max(stage.period for stage in stages) + 4000
    start = max(loads) + 8
    ends: list[list[int]] = [[] for _ in stages]

    async def bench(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        for number in range(len(stages)):
            for name in ("weights", "parameters"):
                ctx.set(getattr(dut, f"i_{name}_{number}").valid, 1)
        await ctx.tick().repeat(start)
        ctx.set(dut.i.valid, 1)
        for cycle in range(limit):
            _, _, ended = await ctx.tick().sample(dut.o_ends)
            for number, cycles in enumerate(ends):
                if ended >> number & 1:
                    cycles.append(cycle)
            if len(ends[-1]) == images:
                return
        raise AssertionError(f"{len(ends[-1])} of {images} images in {limit} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    return [[b - a for a, b in pairwise(own)] for own in ends]
