"""What onnxruntime demands of operands beyond onnx's own inference is refused, with the cause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import helper

from dse.onnx.node_shapes import Misfit, infer
from dse.onnx.source import Known

FLOAT = np.dtype(np.float32)
INT8 = np.dtype(np.int8)
SHAPES: dict[str, tuple[str, list[Sequence[int]], str]] = {
    "channels": (
        "Conv",
        [(1, 7, 5, 5), (4, 1, 3, 3)],
        "for 1 channels in each of 1 groups, its input has 7",
    ),
    "transposed": (
        "ConvTranspose",
        [(1, 7, 5, 5), (4, 1, 3, 3)],
        "for 4 channels in each of 1 groups, its input has 7",
    ),
    "bias": ("Conv", [(1, 2, 5, 5), (4, 2, 3, 3), (3,)], r"a bias of shape \(3,\) for 4 channels"),
    "empty": ("Conv", [(1, 2, 0, 5), (4, 2, 1, 1)], "is empty"),
    "no image": ("GlobalAveragePool", [(1, 7)], "has no image"),
    "fully connected": ("Gemm", [(1, 7), (7, 4), (3,)], r"a bias of shape \(3,\) for 4 channels"),
}


def _infer(op: str, operands: list[Known], domain: str = "", **attributes: object) -> None:
    names = [f"i{place}" for place in range(len(operands))]
    node = helper.make_node(op, names, ["o"], "n", domain=domain, **attributes)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    infer(node, dict(zip(names, operands, strict=True)), opsets)


@pytest.mark.parametrize("case", SHAPES)
def test_shapes(case: str) -> None:
    op, shapes, cause = SHAPES[case]
    with pytest.raises(Misfit, match=cause):
        _infer(op, [Known(tuple(shape), FLOAT) for shape in shapes])


def test_scales_of_an_axis() -> None:
    with pytest.raises(Misfit, match="3 scales along axis 1"):
        _infer("DequantizeLinear", [Known((1, 4, 2, 2), INT8), Known((3,), FLOAT)], axis=1)


def test_a_reshape_keeps_the_number_of_values() -> None:
    sizes = Known((2,), np.dtype(np.int64), np.array([5, -1]))
    with pytest.raises(Misfit, match="has 24 values"):
        _infer("Reshape", [Known((1, 4, 6), FLOAT), sizes])


@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_a_sum_of_integers_has_one_scale(shape: tuple[int, ...]) -> None:
    image, scale, zero = Known((1, 4), INT8), Known(shape, FLOAT), Known((), INT8)
    operands = [image, scale, zero, image, scale, zero, scale, zero]
    if shape != (2,):
        _infer("QLinearAdd", operands, "com.microsoft")
        return
    with pytest.raises(Misfit, match="must be a scalar"):
        _infer("QLinearAdd", operands, "com.microsoft")


def test_an_operator_that_nobody_has() -> None:
    with pytest.raises(Misfit, match="onnxruntime has no such operator"):
        _infer("Relu", [Known((1, 4), FLOAT)], "com.microsoft")
