"""The period that the search foretells is that of the hardware, to the cycle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.pipeline import (
    Budget,
    Chain,
    ConvStage,
    Design,
    cost_model,
    device_budget,
    load_device,
    load_network,
    resized,
    search_exact,
)
from dse.pipeline.stage_shapes import stage_shapes
from hw.stages.shape import StageShape
from tests.hw.stages.chain_bench import image_gaps
from tests.hw.stages.chain_drawing import CYCLES, FEW_CYCLES, draw_design
from tests.hw.stages.stage_drawing import draw_shape

IMAGES = 12
SLOW = pytest.mark.slow


def period(stages: tuple[StageShape, ...], images: int = IMAGES) -> int:
    """Between images, where it takes longest; images later as long as some before."""
    gaps = image_gaps(stages, images)
    return max(own[-1] for own in gaps)


def at_most(stage: StageShape) -> bool:
    """Whether the period is a bound: beats too narrow, of a pooling or of one tile after the other.

    What is sent meanwhile overlaps there, for a few cycles.
    """
    bound = stage.period > max(stage.cycles, stage.source.beats)
    narrow = stage.out_width < stage.beat_channels
    return bound and narrow and (stage.pool is not None or not stage.reorders)


def check(design: Design, images: int = IMAGES) -> None:
    """The search's period, that of the stages, and that of the hardware."""
    stages = stage_shapes(design)
    assert max(own.period for own in stages) == design.cycles
    seen = period(stages, images)
    if any(map(at_most, stages)):
        assert seen <= design.cycles
    else:
        assert seen == design.cycles


@pytest.mark.parametrize("images", [4, pytest.param(IMAGES, marks=SLOW)])
def test_a_ring_of_few_short_rows(images: int) -> None:
    """Two rows of 12 cells, 16 cycles each: their room goes round in time."""
    network = Chain(
        name="thin",
        stages=(
            ConvStage(name="A", n_in=1, n_out=2, size_in=14, size_out=12, kernel=3),
            ConvStage(name="B", n_in=2, n_out=2, size_in=12, size_out=12, kernel=1),
        ),
    )
    device = load_device("kcu1500")
    design = search_exact(network, device, cost_model(device), Budget(dsp=24, ram=4320)).design
    assert design.cycles == 196
    check(design, images)


def test_results_wait_where_rows_take_longer_to_send() -> None:
    """Rows that give results take longer to send than to compute, on the average all is in time."""
    network = resized(load_network("alexnet"), 67)
    device = load_device("arria10gt1150")
    design = search_exact(network, device, cost_model(device), device_budget(device)).design
    assert design.cycles == 13_673
    first = stage_shapes(design)[0]
    plain = replace(first, out_width=first.beat_channels)
    assert first.send_burst > plain.send_burst == 0
    assert first.period == plain.period <= design.cycles
    assert first.queue_depth > plain.queue_depth


@pytest.mark.parametrize("seed", range(5))
def test_drawn_chains(seed: int) -> None:
    check(draw_design(np.random.default_rng(seed), FEW_CYCLES))


@SLOW
@pytest.mark.parametrize("seed", [*range(12), *range(100, 300)])
def test_many_drawn_chains(seed: int) -> None:
    check(draw_design(np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("seed", "cycles"),
    [
        *((seed, FEW_CYCLES) for seed in range(8)),
        *(pytest.param(seed, CYCLES, marks=SLOW) for seed in range(12)),
    ],
)
def test_drawn_stages(seed: int, cycles: int) -> None:
    """Any parallelisms and widths, whether or not the search would choose them."""
    rng = np.random.default_rng(seed)
    shape = next(own for own in iter(lambda: draw_shape(rng), None) if own.period <= cycles)
    seen = period((shape,))
    assert seen <= shape.period if at_most(shape) else seen == shape.period
