"""Layers side by side: sums are those of the columns, bounds are below what is exact."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.side_by_side import rows
from boards.board import U200
from dse.cost import ScaleSim, as_arrays
from dse.explore.search import explore, predict
from dse.networks.builder import OutlineBuilder
from dse.passes import layer_shapes


def test_columns_are_of_the_same_layers() -> None:
    net = OutlineBuilder("net", (32, 32, 16))
    net.conv(net.conv("input", "a", 40, 1), "b", 64, 1)
    network = net.build()
    found = predict(explore(network, U200, array=(8, 32), certify=False, trials=False), network)
    assert found.execution is not None
    *layers, (total, _, sums) = rows(found, U200)
    assert total == "**all**"
    np.testing.assert_allclose(np.sum([cycles for *_, cycles in layers], axis=0), sums)
    assert sums[0] == pytest.approx(found.execution.cycles.total)
    shapes, model = layer_shapes(found.network), ScaleSim()
    for name, _, (exact, _, scalesim, bound, waves, _) in layers:
        shape = shapes[name]
        assert exact >= waves
        assert exact >= bound  # 1 x 1 kernels have no Winograd
        assert scalesim == model.cycles(shape, model.labels(shape), as_arrays(8, 32)).min()
        assert bound * 2 * 8 * 32 == shape.macs
