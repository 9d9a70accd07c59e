"""Sizes are bounded before anything is computed; what cannot fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from dse.network.graph import NetworkError
from dse.onnx.importer import check


@pytest.mark.parametrize("shape", [(3, 2**30, 8), (2**30, 2**30, 2**30)])
def test_images_beyond_the_bound(builder, save, shape: tuple[int, ...]) -> None:
    b = builder
    path = save(b.model(b.relu(b.input(*shape))))
    with pytest.raises(NetworkError, match="has more than 268,435,456 elements"):
        check(path)


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        ("ConstantOfShape", [np.int64([2**20, 2**20])]),
        ("Expand", [np.float32([1]), np.int64([2**30, 2])]),
        ("Tile", [np.ones((4, 4), np.float32), np.int64([2**20, 2**10])]),
        ("Range", [np.int64(0), np.int64(2**40), np.int64(1)]),
    ],
)
def test_constants_beyond_the_bound(builder, save, op: str, inputs: list[np.ndarray]) -> None:
    b = builder
    b.input(3, 8, 8)
    names = [b.constant(f"c{index}", array) for index, array in enumerate(inputs)]
    b.node(op, names, "large")
    report = check(save(b.model(b.node("Add", ["x", "large"], "y"))))
    assert report.problems[0].name == "large" and "elements" in report.problems[0].reason


@pytest.mark.parametrize(
    ("shape", "weights", "attributes", "reason"),
    [
        ((7, 8, 8), (4, 1, 3, 3), {}, "for 1 channels in each of 1 groups, its input has 7"),
        ((4, 8, 8), (4, 2, 3, 3), {"group": 3}, "3 groups"),
        ((4, 8, 8), (5, 2, 3, 3), {"group": 2}, "5 filters do not divide into 2 groups"),
        ((3, 2, 2), (4, 3, 3, 3), {}, "does not fit into"),
        ((3, 8, 8), (4, 3, 3, 3), {"kernel_shape": [2, 2]}, "kernel_shape"),
        ((3, 8), (4, 3, 3, 3), {}, "do not fit"),
    ],
)
def test_convolutions_that_cannot_be(
    builder, save, shape: tuple, weights: tuple, attributes: dict, reason: str
) -> None:
    b = builder
    b.input(*shape)
    path = save(b.model(b.node("Conv", ["x", b.weight("w", *weights)], "c", **attributes)))
    assert reason in check(path).problems[0].reason


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"kernel_shape": [9, 9], "ceil_mode": 1, "strides": [2, 2]}, "does not fit into"),
        ({"kernel_shape": [2, 2], "pads": [2, 2, 2, 2]}, "is not smaller than its kernel"),
    ],
)
def test_pooling_that_cannot_be(builder, save, attributes: dict, reason: str) -> None:
    b = builder
    b.conv(b.input(3, 8, 8), "c", 4, 3, 1)
    path = save(b.model(b.node("MaxPool", ["c"], "p", **attributes)))
    assert reason in check(path).problems[0].reason


def test_what_the_host_does_not_know(builder, save) -> None:
    b = builder
    x = b.node("Softmax", [b.conv(b.input(3, 8, 8), "c", 4, 3, 3)], "end", axis=1)
    x = b.node("Strange", [x], "strange", domain="org.example")
    model = b.model(x)
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    assert [one.name for one in check(save(model)).problems] == ["strange"]
