"""The latency of an empty pipeline's first image: foretold to the cycle."""

from __future__ import annotations

import numpy as np
import pytest

from dse.pipeline.model.first_image import first_image, in_turn
from dse.pipeline.stage_shapes import stage_shapes
from tests.hw.stages.chain_bench import first_latency
from tests.hw.stages.chain_drawing import CYCLES, FEW_CYCLES, draw_design
from tests.hw.stages.stage_drawing import draw_shape


@pytest.mark.parametrize("seed", range(5))
def test_drawn_chains(seed: int) -> None:
    stages = stage_shapes(draw_design(np.random.default_rng(seed), FEW_CYCLES))
    assert first_image(stages) == first_latency(stages)


@pytest.mark.parametrize("seed", range(6))
def test_drawn_stages(seed: int) -> None:
    """Any parallelisms and widths, and windows that no chain here has."""
    rng = np.random.default_rng(seed)
    stage = next(own for own in iter(lambda: draw_shape(rng), None) if own.period <= FEW_CYCLES)
    assert first_image((stage,)) == first_latency((stage,))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(8), *range(100, 300)])
def test_many_drawn_chains(seed: int) -> None:
    stages = stage_shapes(draw_design(np.random.default_rng(seed)))
    assert first_image(stages) == first_latency(stages)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(8), *range(100, 300)])
def test_many_drawn_stages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stage = next(own for own in iter(lambda: draw_shape(rng), None) if own.period <= CYCLES)
    assert first_image((stage,)) == first_latency((stage,))


def test_jobs_in_turn() -> None:
    assert in_turn(np.array([5, 0, 0, 30]), 4).tolist() == [5, 9, 13, 30]
