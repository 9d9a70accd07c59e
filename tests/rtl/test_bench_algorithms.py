"""The benchmark of all algorithms runs, compares, and prints what it forced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.algorithms import (
    CONFIG,
    FASTEST,
    LAYERS,
    MIXED,
    bench_network,
    formula,
    layer_network,
)
from benchmarks.choices import all_choices, label
from dse.network.graph import Network
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.tile_form import Tile
from hw.isa import Dataflow
from tests.rtl.overlays import OVERLAYS
from tests.sim.test_functional import branchy

pytestmark = pytest.mark.rtl


@pytest.mark.slow
def test_a_network_with_every_choice(tmp_path: Path) -> None:
    config, network = OVERLAYS["f2"], branchy()
    (name,) = network.inputs
    shape = network.tensors[name].shape
    image = {name: np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)}
    out = tmp_path / "figures.json"
    text = bench_network(network, image, config, out)
    figures = json.loads(out.read_text())
    assert list(figures) == [*map(label, all_choices(config)), MIXED, FASTEST]
    assert all(one["mismatches"] == 0 for one in figures.values())
    convs = [conv.name for conv in network.convolutions()]
    assert all(set(one["layers"]) == set(convs) for one in figures.values())
    lines = text.splitlines()
    assert [line.split(",")[0] for line in lines[2:-2]] == [f"| {conv}" for conv in convs]
    assert lines[-1] == "| mismatches |" + " 0 |" * len(figures)


def test_formulas() -> None:
    """3136 pixels, 9 taps, 64 to 64 channels on 16 x 16 multipliers; 28 x 28 or 14 x 14 tiles."""
    config = replace(CONFIG, winograd="all")
    square, row = (layer_network(*layer) for layer in LAYERS)

    def cycles(
        algorithm: ConvAlgorithm, tile: Tile | None = None, network: Network = square
    ) -> int:
        (shape,) = map(network.conv_shape, network.convolutions())
        return formula(shape, Choice(Dataflow.WS, algorithm, tile), config)

    assert cycles(ConvAlgorithm.IM2COL) == 36 * 4 * 3136
    assert cycles(ConvAlgorithm.KN2ROW) == 9 * 4 * 4 * 3136
    assert cycles(ConvAlgorithm.WINOGRAD, 2) == 16 * 4 * 4 * 784
    assert cycles(ConvAlgorithm.WINOGRAD, 4) == 36 * 4 * 4 * 196
    # Six elements of a line of four outputs; the other axis' taps are a run, or rounds.
    assert cycles(ConvAlgorithm.WINOGRAD, "4x1") == 6 * (3 * 4) * 4 * (14 * 56)
    assert cycles(ConvAlgorithm.WINOGRAD, "1x4") == (6 * 3) * 4 * 4 * (14 * 56)
    # 17 x 17 pixels, 1 x 7 taps in two rounds of four, 192 to 224 channels, six lines of three.
    assert cycles(ConvAlgorithm.WINOGRAD, "1x3", row) == (2 * 6) * 12 * 14 * (6 * 17)
