"""A network written as a quantised model and read again is the same network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from dse.network.graph import (
    Add,
    Concat,
    Conv,
    Network,
    Numbers,
    Pool,
    Quantisation,
    Reshape,
    Tensor,
    Window,
)
from dse.onnx.importer import load
from tests.kit.qdq import qdq_model


@pytest.fixture
def network() -> Network:
    rng = np.random.default_rng(4)
    q, other = Quantisation(0.5, 3), Quantisation(0.25, -40)
    tensors = [
        Tensor("x", 6, 5, 4, q),
        Tensor("conv", 3, 5, 6, other),
        Tensor("sum", 3, 5, 6, other),
        Tensor("max", 3, 5, 6, q),
        Tensor("average", 3, 5, 6, q),
        Tensor("joined", 3, 5, 12, q),
        Tensor("fc", 1, 1, 9, q),
        Tensor("map", 3, 3, 1, q),
        Tensor("last", 3, 3, 2, q),
    ]
    window = Window((3, 3), (2, 1), padding=(1, 1, 0, 1))
    weight = rng.integers(-127, 128, (6, 3, 3, 2), np.int8)
    scale = rng.uniform(0.001, 0.01, 6).astype(np.float32).astype(np.float64)
    bias = rng.integers(-500, 500, 6).astype(np.int32)
    weights = rng.integers(-127, 128, (9, 3, 5, 12), np.int8)
    dense = Numbers(weights, np.full(9, 2.0**-9), np.zeros(9, np.int32))
    weights = rng.integers(-127, 128, (2, 1, 1, 1), np.int8)
    last = Numbers(weights, np.full(2, 2.0**-6), np.zeros(2, np.int32))
    whole = Window((3, 5))
    same = Window((3, 3), padding=(1, 1, 1, 1))
    operators = (
        Conv("conv", "x", "conv", window, 2, Numbers(weight, scale, bias, -40, 100)),
        Add("sum", "conv", "conv", "sum", -40, 127),
        Pool("max", "sum", "max", "max", same, low=0),
        Pool("average", "sum", "average", "average", same, count_include_pad=True),
        Concat("joined", ("max", "average"), "joined"),
        Conv("fc", "joined", "fc", whole, 1, dense),
        Reshape("map_reshaped", "fc", "map"),
        Conv("last", "map", "last", Window(), 1, last),
    )
    return Network("net", {t.name: t for t in tensors}, operators, ("x",), ("last", "sum"))


def test_round_trip(network: Network, tmp_path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(qdq_model(network), path)
    again = load(path).network
    assert again.inputs == network.inputs and set(again.outputs) == set(network.outputs)
    kinds = [type(op) for op in network.operators]
    assert [type(op) for op in again.operators] == kinds
    for a, b in zip(again.operators, network.operators, strict=True):
        x, y = again.tensors[a.output], network.tensors[b.output]
        assert x.shape == y.shape and x.quantisation == y.quantisation
        if isinstance(b, Conv):
            np.testing.assert_array_equal(a.weight, b.weight)
            np.testing.assert_array_equal(a.weight_scale, b.weight_scale)
            np.testing.assert_array_equal(a.bias, b.bias)
            assert (a.window, a.groups) == (b.window, b.groups)
        if isinstance(b, Pool):
            assert (a.kind, a.window) == (b.kind, b.window)
            assert a.count_include_pad == b.count_include_pad
        if isinstance(b, Conv | Pool | Add):
            assert (a.low, a.high) == (b.low, b.high)


def test_all_tensors_as_outputs(network: Network) -> None:
    outputs = [value.name for value in qdq_model(network, intermediate=True).graph.output]
    assert outputs == [op.output for op in network.operators]
