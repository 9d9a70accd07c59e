"""Sums, differences, maxima and minima of two tensors in ONNX models, and operands that spread."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from dse.network.graph import Add, Combine
from dse.onnx.importer import check, load
from tests.kit.answers import off

KINDS = ("Add", "Sub", "Mul", "Max", "Min")
OTHERS = {"same": (4, 6, 6), "gate": (4, 1, 1), "plane": (1, 6, 6), "single": (1, 1, 1)}
IMAGES = {
    "x": np.random.default_rng(1).normal(size=(4, 3, 6, 6)).astype(np.float32),
}


def operands(b, other: str) -> list[str]:
    """An image, which others read too, and another operand computed beside it."""
    x = b.node("Relu", [b.conv(b.input(3, 6, 6), "stem", 4, 3, 3, pads=[1, 1, 1, 1])], "image")
    channels, height, _ = OTHERS[other]
    y = b.conv(x, "side", channels, 4, 1)
    if height == 1:
        y = b.node("GlobalMaxPool", [y], "pixel")
    return [x, b.node("Sigmoid", [y], "other")]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_answers_in_float(builder, tmp_path, kind: str, other: str, swapped: bool) -> None:
    names = operands(builder, other)
    x = builder.node(kind, names[::-1] if swapped else names, "both")
    model = builder.model(builder.conv(x, "last", 5, 4, 1))
    assert off(model, IMAGES, tmp_path, calibrated=True) < 0.05


def rounded(b, x: str, scale: float, zero: int) -> str:
    """A value through QuantizeLinear and back."""
    known = b.constant(f"{x}/s", np.float32(scale)), b.constant(f"{x}/z", np.uint8(zero))
    q = b.node("QuantizeLinear", [x, *known], f"{x}/q")
    return b.node("DequantizeLinear", [q, *known], f"{x}/d")


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_quantised_models(builder, tmp_path, kind: str, other: str) -> None:
    """Both operands in quantisations of their own: one rounding, as the model has it."""
    b = builder
    x = rounded(b, b.input(4, 6, 6), 0.031, 120)
    y = rounded(b, b.input(*OTHERS[other], name="y"), 0.017, 131)
    result = b.node(kind, [y, x] if other == "plane" else [x, y], "both")
    model = b.model(rounded(b, result, 0.043, 140))
    rng = np.random.default_rng(2)
    shapes = {"x": (4, 6, 6), "y": OTHERS[other]}
    images = {n: rng.normal(size=(3, *s)).astype(np.float32) for n, s in shapes.items()}
    assert off(model, images, tmp_path) <= 1.01 / 60  # one unit, where float32 ends beside a tie


def kinds(network) -> list[str]:
    return [
        op.combination if isinstance(op, Combine) else "add"
        for op in network.operators
        if isinstance(op, Add | Combine)
    ]


@pytest.mark.parametrize("shared", [False, True])
def test_a_difference_is_a_sum_where_weights_can_be_negated(builder, save, shared: bool) -> None:
    b = builder
    x = b.input(3, 6, 6)
    one, other = b.relu(b.conv(x, "one", 4, 3, 1)), b.conv(x, "other", 4, 3, 1)
    outputs = [b.conv(b.node("Sub", [one, other], "difference"), "last", 2, 4, 1)]
    if shared:
        outputs.append(b.conv(other, "more", 2, 4, 1))
    network = load(save(b.model(*outputs)), IMAGES).network
    assert kinds(network) == (["difference"] if shared else ["add"])
    assert (other in network.tensors) == shared  # the negative is no tensor of the model


def test_a_chain_of_maxima(builder, tmp_path, save) -> None:
    b = builder
    x = b.input(3, 6, 6)
    parts = [b.conv(x, f"part{k}", 4, 3, 1) for k in range(3)]
    model = b.model(b.conv(b.node("Max", parts, "most"), "last", 2, 4, 1))
    assert kinds(load(save(model), IMAGES).network) == ["maximum", "maximum"]
    assert off(model, IMAGES, tmp_path, calibrated=True) < 0.05


def test_what_fits_neither_way_is_the_hosts(builder, save) -> None:
    b = builder
    x = b.conv(b.input(3, 6, 6), "stem", 4, 3, 1)
    row = b.node("ReduceMax", [b.conv(x, "side", 4, 4, 1)], "row", axes=[2], keepdims=1)
    model = b.model(b.conv(b.node("Max", [x, row], "both"), "last", 2, 4, 1))
    problems = {problem.operator for problem in check(save(model), strict=True).problems}
    assert "Max" in problems
    assert isinstance(model, onnx.ModelProto)
