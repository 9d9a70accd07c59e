"""What no instruction can say is refused by check, as by all; the widest walks compile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import polymap
from dse.onnx import importer
from dse.onnx.findings import UnsupportedError


def convolution(
    size: tuple[int, int], kernel: int, stride: int = 1, dilation: int = 1, pad: int = 0
) -> onnx.ModelProto:
    weight = np.ones((1, 1, kernel, kernel), np.float32)
    options = {"strides": [stride] * 2, "dilations": [dilation] * 2, "pads": [pad] * 4}
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="layer", **options)
    return model(node, size, {"w": weight})


def pooling(size: tuple[int, int], kernel: int | None = None, stride: int = 1) -> onnx.ModelProto:
    if kernel is None:
        return model(helper.make_node("GlobalAveragePool", ["x"], ["y"], name="layer"), size, {})
    options = {"strides": [stride] * 2, "kernel_shape": [kernel] * 2}
    return model(helper.make_node("MaxPool", ["x"], ["y"], name="layer", **options), size, {})


def model(
    node: onnx.NodeProto, size: tuple[int, int], weights: dict[str, np.ndarray]
) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, *size])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([node], "wide", [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made


BEYOND = {
    "tap_rows": convolution((300, 1), 256, pad=200),
    "tap_row_step": convolution((8, 8), 3, dilation=256, pad=256),
    "row0": convolution((2, 2), 2, pad=40_000, stride=250),
    "height": convolution((70_000, 1), 1),
    "out_width": convolution((1, 70_000), 1),
    "row_step": convolution((900, 3), 3, stride=256, pad=1),
    "POOL.tap_rows": pooling((257, 1)),  # a prime: it cannot be folded
    "POOL.tap_columns": pooling((1, 257)),
    "POOL.row_step": pooling((900, 3), 3, 256),
}


@pytest.mark.parametrize("field", BEYOND)
def test_check_load_and_explore_refuse_alike(field: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(BEYOND[field], path)
    (problem,) = polymap.check(path).problems
    assert f"{field if '.' in field else f'CONV.{field}'} must be in [" in problem.reason
    for refuse in (importer.load, importer.outline):
        with pytest.raises(UnsupportedError) as raised:
            refuse(path)
        assert raised.value.problems == (problem,)


@pytest.mark.parametrize(
    "widest",
    [
        convolution((300, 3), 255, pad=127),
        convolution((8, 8), 3, dilation=255, pad=255),
        convolution((900, 3), 3, stride=255, pad=1),
        pooling((255, 255)),
        pooling((600, 3), 3, 255),
    ],
)
def test_the_widest_walks_compile(widest: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(widest, path)
    assert polymap.check(path).supported
    shape = [d.dim_value for d in widest.graph.input[0].type.tensor_type.shape.dim]
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    loaded = polymap.load(path, {"x": images})
    polymap.compile(loaded, polymap.fit(loaded, polymap.configuration(4, 6, 2)))
