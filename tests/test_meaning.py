"""The reference itself, where quantised kernels of some processors saturate."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.meaning import evaluate

FACTOR = 2.0**-9
ONE = np.float32(1)
TYPES = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}


def one_conv(weight: np.ndarray, bias: np.ndarray, dtype: type, zero: int) -> onnx.ModelProto:
    """A QLinearConv with sums of products times FACTOR."""
    constants = {
        "xs": ONE,
        "ws": ONE,
        "ys": np.float32(1 / FACTOR),
        "w": weight,
        "wz": np.int8(0),
        "xz": dtype(zero),
        "yz": np.int8(3).astype(dtype),
        "b": bias,
    }
    inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", inputs, ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TYPES[dtype], ["n", weight.shape[1], 2, 3])],
        [helper.make_tensor_value_info("y", TYPES[dtype], None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    return model


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_sums_beyond_16_bits_are_exact(dtype: type) -> None:
    """255 * 127 + 255 * 127 does not fit into 16 bits."""
    limits = np.iinfo(dtype)
    x = np.full((1, 6, 2, 3), limits.max, dtype)
    x[:, ::2, 1] = limits.min
    weight = np.full((3, 6, 1, 1), 127, np.int8)
    weight[1] = -127
    weight[2, ::2] = -60
    bias = np.array([0, -50, 1000], np.int32)
    zero = int(limits.min)
    sums = np.einsum("nchw,oc->nohw", x.astype(int) - zero, weight[..., 0, 0].astype(int))
    scaled = np.rint((sums + bias[:, None, None]) * FACTOR) + 3
    assert np.abs(sums).max() > 1 << 16
    expected = np.clip(scaled, limits.min, limits.max).astype(dtype)
    found = evaluate(one_conv(weight, bias, dtype, zero), {"x": x})["y"]
    np.testing.assert_array_equal(found, expected)
