"""The latency of an empty pipeline's first image: foretold to the cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from dse.pipeline.model.first_image import first_image, in_turn
from dse.pipeline.stage_shapes import stage_shapes
from hw.stages.layer_pipeline import LayerPipeline
from hw.stages.shape import StageShape
from tests.hw.stages.chain_drawing import CYCLES, draw_design
from tests.hw.stages.stage_drawing import draw_shape


def latency(stages: tuple[StageShape, ...]) -> int:
    """From the first beat to the last of the first result; weights are there, or come in time."""
    dut = LayerPipeline(stages=stages)
    loads = (max(s.weight_depth * s.weight_pieces, s.tiles * s.para_out) for s in stages)
    start, wanted = max(loads) + 8, stages[-1].target.beats
    limit = 20 * sum(stage.period for stage in stages) + 4000
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        for number in range(len(stages)):
            for name in ("weights", "parameters"):
                ctx.set(getattr(dut, f"i_{name}_{number}").valid, 1)
        await ctx.tick().repeat(start)
        ctx.set(dut.i.valid, 1)
        for cycle in range(limit):
            _, _, came = await ctx.tick().sample(dut.o.valid)
            if came:
                found.append(cycle)
            if len(found) == wanted:
                return
        raise AssertionError(f"{len(found)} of {wanted} beats in {limit} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    return found[-1]


@pytest.mark.parametrize("seed", range(8))
def test_drawn_chains(seed: int) -> None:
    stages = stage_shapes(draw_design(np.random.default_rng(seed)))
    assert first_image(stages) == latency(stages)


@pytest.mark.parametrize("seed", range(8))
def test_drawn_stages(seed: int) -> None:
    """Any parallelisms and widths, and windows that no chain here has."""
    rng = np.random.default_rng(seed)
    stage = next(own for own in iter(lambda: draw_shape(rng), None) if own.period <= CYCLES)
    assert first_image((stage,)) == latency((stage,))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_drawn_chains(seed: int) -> None:
    stages = stage_shapes(draw_design(np.random.default_rng(seed)))
    assert first_image(stages) == latency(stages)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_drawn_stages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stage = next(own for own in iter(lambda: draw_shape(rng), None) if own.period <= CYCLES)
    assert first_image((stage,)) == latency((stage,))


def test_jobs_in_turn() -> None:
    assert in_turn(np.array([5, 0, 0, 30]), 4).tolist() == [5, 9, 13, 30]
