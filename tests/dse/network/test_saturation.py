"""A function's argument is as fine as the function needs, however far beyond it values reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dse.network import inputs
from dse.onnx.importer import load
from sim import golden

IMAGES = np.random.default_rng(1).normal(size=(4, 2, 5, 5)).astype(np.float32)
FAR = np.array([[127, 1], [-1, 127]], np.float32).reshape(2, 2, 1, 1)
"""A convolution after which most sigmoids are 0 or 1."""

FUNCTIONS: dict[str, tuple[dict, Callable]] = {
    "HardSigmoid": ({"alpha": 1 / 6}, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "Sigmoid": ({}, lambda x: 0.5 + 0.5 * np.tanh(x / 2)),
    "Tanh": ({}, np.tanh),
}


def near(path, calibration: np.ndarray, images: np.ndarray) -> np.ndarray:
    imported = load(path, {"x": calibration})
    answers = [imported.answer(i, golden.run) for i in inputs.images({"x": images})]
    return inputs.join(answers)["y"].astype(np.float64)


def convolved(images: np.ndarray) -> np.ndarray:
    return np.einsum("oc,nchw->nohw", FAR[:, :, 0, 0].astype(np.float64), images)


def model(builder, *nodes: tuple[str, dict]):
    """All functions of one convolution, joined by another, which adds them up."""
    b = builder
    x = b.node("Conv", [b.input(2, 5, 5), b.constant("far", FAR)], "conv")
    made = [b.node(op, [x], f"f{k}", **attributes) for k, (op, attributes) in enumerate(nodes)]
    joined = b.node("Concat", made, "joined", axis=1) if len(made) > 1 else made[0]
    same = np.eye(2 * len(made), dtype=np.float32).reshape(*[2 * len(made)] * 2, 1, 1)
    return b.model(b.node("Conv", [joined, b.constant("same", same)], "y"))


@pytest.mark.parametrize("op", FUNCTIONS)
def test_where_a_function_is_steep(builder, save, op: str) -> None:
    attributes, reference = FUNCTIONS[op]
    steep = np.where(np.arange(2).reshape(2, 1, 1), IMAGES, 0).astype(np.float32)
    y = near(save(model(builder, (op, attributes))), IMAGES, steep)
    assert np.abs(y - reference(convolved(steep)))[:, 0].max() < 0.03


def test_every_function_of_a_tensor_is_told_apart(builder, save) -> None:
    """The steeper one leaves the range of the other as it is."""
    path = save(model(builder, ("Sigmoid", {}), ("LeakyRelu", {"alpha": 0.5})))
    y = near(path, IMAGES, IMAGES)[:, 2:]
    far = convolved(IMAGES)
    assert np.abs(y - np.where(far < 0, far / 2, far)).max() < 12


def test_a_function_that_changes_everywhere_leaves_the_range(builder, save) -> None:
    b = builder
    x = b.node(
        "Clip",
        [b.input(2, 5, 5), *(b.constant(n, np.float32(v)) for n, v in (("l", -0.3), ("h", 0.3)))],
        "c",
    )
    y = b.node("Sigmoid", [b.node("AveragePool", [x], "a", kernel_shape=[1, 1])], "s")
    same = b.constant("same", np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1))
    network = load(save(b.model(b.node("Conv", [y, same], "y"))), {"x": IMAGES}).network
    low, high = (
        network.tensors["a"].scale * (end - network.tensors["a"].zero_point) for end in (-128, 127)
    )
    assert low <= -0.299 and high >= 0.299


def test_what_others_read_keeps_its_range(builder, save) -> None:
    b = builder
    x = b.node("Conv", [b.input(2, 5, 5), b.constant("far", FAR)], "conv")
    gated = b.node("Add", [x, b.node("Sigmoid", [x], "gate")], "sum")
    same = b.constant("same", np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1))
    path = save(b.model(b.node("Conv", [gated, same], "y")))
    far = convolved(IMAGES)
    assert np.abs(near(path, IMAGES, IMAGES) - far).max() < 12
