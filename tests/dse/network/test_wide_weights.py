"""Quantised weights of all that uint8 and int8 can hold are exact, whatever their zero point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

import polymap
from dse.network.graph import Pool
from tests.dse.network.conftest import Builder
from tests.kit.answers import off

IMAGES = {"x": np.random.default_rng(3).integers(0, 256, (2, 8, 5, 4)).astype(np.uint8)}


def layer(
    b: Builder, groups: int, weight: np.ndarray, zero: np.ndarray | int, kind: str = "QLinearConv"
) -> str:
    """Integers in, integers out: with scales that are powers of two float kernels are exact."""
    b.input(8, 5, 4, dtype=TensorProto.UINT8)
    power = b.constant("power", np.float32(2**-4))
    scale = b.constant("scale", np.full(np.shape(zero), 2**-7, np.float32))
    point = b.constant("point", np.asarray(zero, weight.dtype))
    middle = b.constant("middle", np.uint8(117))
    coarse = b.constant("coarse", np.float32(2**3))
    operands = ["x", power, middle, b.constant("w", weight), scale, point, coarse, middle]
    if kind == "QLinearMatMul":
        operands[0] = b.node("Flatten", ["x"], "flat")
    options = {"group": groups} if kind == "QLinearConv" else {}
    return b.node(kind, operands, "y", **options)


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("zero", [0, 93, 130, 255])
@pytest.mark.parametrize("few", [False, True])
def test_uint8_weights(groups: int, zero: int, few: bool, tmp_path: Path) -> None:
    """Of few filters only some weights are beyond int8."""
    b = Builder(zero)
    weight = b.rng.integers(0, 256, (16, 8 // groups, 2, 3))
    if few:
        narrow = np.clip(weight, max(0, zero - 128), min(255, zero + 127))
        weight = np.where(np.arange(16)[:, None, None, None] % 9 == 4, weight, narrow)
    model = b.model(layer(b, groups, weight.astype(np.uint8), zero))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert off(model, IMAGES, tmp_path) == 0.0


def test_a_zero_point_for_each_filter(tmp_path: Path) -> None:
    b = Builder(1)
    weight = b.rng.integers(-128, 128, (5, 8, 2, 2)).astype(np.int8)
    model = b.model(layer(b, 1, weight, b.rng.integers(-128, 128, 5)))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert off(model, IMAGES, tmp_path) == 0.0


def test_fully_connected(tmp_path: Path) -> None:
    b = Builder(2)
    weight = b.rng.integers(0, 256, (160, 3)).astype(np.uint8)
    model = b.model(layer(b, 1, weight, 77, "QLinearMatMul"))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert off(model, IMAGES, tmp_path) == 0.0


def test_weights_of_minus_128_cost_nothing(tmp_path: Path) -> None:
    b = Builder(3)
    weight = np.full((4, 8, 3, 3), -128, np.int8)
    weight[1] = 127
    model = b.model(layer(b, 1, weight, 0))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert off(model, IMAGES, tmp_path) == 0.0
    network = polymap.load(tmp_path / "model.onnx").network
    assert [type(op).__name__ for op in network.operators] == ["Conv"]
    assert network.operators[0].weight.min() == -128


def test_only_channels_with_wide_weights_are_read_again(tmp_path: Path) -> None:
    b = Builder(4)
    weight = b.rng.integers(1, 256, (4, 8, 1, 1)).astype(np.uint8)
    weight[2, 3] = 0
    weight[1, 4] = 0
    model = b.model(layer(b, 1, weight, 129))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert off(model, IMAGES, tmp_path) == 0.0
    network = polymap.load(tmp_path / "model.onnx").network
    (conv,) = network.convolutions()
    assert network.tensors[conv.input].channels == 8 + 2
    assert not any(isinstance(op, Pool) for op in network.operators)
