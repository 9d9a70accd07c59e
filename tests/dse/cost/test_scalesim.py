"""SCALE-Sim's closed forms against its published totals."""

import numpy as np
import pytest

from dse.cost import Label, ScaleSim, as_arrays
from dse.network.conv_shape import ConvShape
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark


@pytest.mark.parametrize(("dataflow", "total"), [("OS", 461_842), ("WS", 603_471), ("IS", 865_799)])
def test_googlenet_totals(dataflow: str, total: int) -> None:
    network = without_dense(benchmark("googlenet"))
    layers = [network.conv_shape(conv) for conv in network.convolutions()]
    arrays = as_arrays(92, 66)
    label = [Label("im2col", dataflow)]
    cycles = sum(ScaleSim().cycles(layer, label, arrays)[0, 0] for layer in layers)
    assert len(layers) == 57
    assert cycles == total


def test_a_layer_worked_by_hand() -> None:
    conv = ConvShape(5, 5, 3, 4, (3, 3))  # M = 9, K = 27, N = 4
    cycles = ScaleSim().cycles(conv, ScaleSim().labels(conv), np.array([[4, 2], [9, 4]]))
    assert cycles.tolist() == [
        [3 * 2 * 31 - 1, 7 * 2 * 17 - 1, 7 * 5 * 12 - 1],
        [1 * 1 * 38 - 1, 3 * 1 * 29 - 1, 3 * 3 * 24 - 1],
    ]
