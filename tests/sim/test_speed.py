"""The array alone, clocked with random inputs."""

from __future__ import annotations

import pytest

from benchmarks.speed import measure
from hw.isa.config import OverlayConfig
from sim.verilator import build_folder

pytestmark = pytest.mark.rtl


@pytest.mark.slow
def test_the_array_alone_runs() -> None:
    config = OverlayConfig(rows=2, columns=3, weight_words=16, parameter_depth=8)
    speed = measure(config, cycles=1000, folder=build_folder())
    assert speed.cycles_per_second > 1000
