"""Ranges of activations hold exactly, whatever calibration saw and wherever their bounds lie."""

from __future__ import annotations

import numpy as np
import pytest

from dse.network import inputs
from dse.onnx.importer import check, load
from sim import golden

WEIGHT = np.random.default_rng(0).normal(size=(2, 2, 1, 1)).astype(np.float32)
IMAGES = np.random.default_rng(1).normal(size=(4, 2, 5, 5)).astype(np.float32)

BOUNDS = [(0.5, 2), (-2, -0.5), (None, -0.5), (0.3, None), (-0.37, 0.61), (1, 1), (2, -1)]
"""Without zero, one-sided, between two integers, of one value, and crossed: then the maximum."""


def infer(path, batch: np.ndarray, calibration: np.ndarray) -> dict[str, np.ndarray]:
    imported = load(path, {"x": calibration})
    results = []
    for image in inputs.images({"x": batch}):
        tensors = golden.run(imported.network, imported.host.before(image))
        results.append(imported.host.after(image, tensors))
    return inputs.join(results)


def convolved(builder, bias: float) -> str:
    b = builder
    b.input(2, 5, 5)
    operands = [b.constant("w", WEIGHT), b.constant("b", np.full(2, bias, np.float32))]
    return b.node("Conv", ["x", *operands], "conv")


def meaning(bias: float) -> np.ndarray:
    return np.einsum("oc,nchw->nohw", WEIGHT[:, :, 0, 0], IMAGES) + bias


def clip(builder, x: str, low: float | None, high: float | None, name: str = "y") -> str:
    sides = (("low", low), ("high", high))
    bounds = [
        "" if v is None else builder.constant(f"{name}.{side}", np.float32(v)) for side, v in sides
    ]
    return builder.node("Clip", [x, *bounds], name)


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_bounds_of_a_clip(builder, save, low: float | None, high: float | None) -> None:
    path = save(builder.model(clip(builder, convolved(builder, 0.0), low, high)))
    y = infer(path, IMAGES, IMAGES)["y"]
    least, most = (np.float32(v) for v in (-np.inf if low is None else low, high or np.inf))
    expected = np.minimum(np.maximum(meaning(0.0), least), most)
    assert (y >= min(least, most)).all() and (y <= most).all()
    assert np.abs(y - expected).max() <= 0.05


@pytest.mark.parametrize("bias", [-50.0, -0.1])
@pytest.mark.parametrize("calibration", [IMAGES, np.zeros_like(IMAGES)])
def test_a_relu_that_calibration_saw_only_as_zero(builder, save, bias, calibration) -> None:
    path = save(builder.model(builder.relu(convolved(builder, bias))))
    y = infer(path, IMAGES, calibration)["conv.relu"]
    assert np.abs(y - np.maximum(meaning(bias), 0)).max() <= 0.1


def test_gains_that_are_not_finite_are_refused(builder, save) -> None:
    b = builder
    b.node("Div", [convolved(b, 0.0), b.constant("zero", np.float32(0))], "y")
    b.conv("y", "after", 2, 2, 1)
    (problem,) = check(save(b.model("after"))).problems
    assert problem.name == "y" and "not finite" in problem.reason


@pytest.mark.parametrize("bias", [np.inf, np.nan])
def test_biases_that_are_not_finite_are_refused(builder, save, bias: float) -> None:
    (problem,) = check(save(builder.model(convolved(builder, bias)))).problems
    assert problem.name == "conv" and "bias is not finite" in problem.reason


def test_a_bound_that_float32_can_just_hold(builder, save) -> None:
    path = save(builder.model(clip(builder, convolved(builder, 0.0), 0.0, 3.4e38)))
    y = infer(path, IMAGES, IMAGES)["y"]
    assert np.abs(y - np.maximum(meaning(0.0), 0)).max() <= 0.05


def test_a_bound_holds_behind_a_concatenation_that_rounds_again(builder, save) -> None:
    b = builder
    narrow = clip(b, convolved(b, 0.0), -0.37, 0.61, "narrow")
    pooled = b.node("MaxPool", [narrow], "pooled", kernel_shape=[3, 3], pads=[1] * 4)
    wide = b.node("Mul", ["conv", b.constant("gain", np.float32(7.3))], "wide")
    path = save(b.model(b.node("Concat", [narrow, wide, pooled], "y", axis=1), narrow))
    y = infer(path, IMAGES, IMAGES)["y"]
    for part in (y[:, :2], y[:, 4:]):
        assert part.min() >= np.float32(-0.37) and part.max() <= np.float32(0.61)


def test_integers_of_a_float_model_stay_as_they_are(builder, save) -> None:
    """A uint8 image that is pooled and joined is not scaled by what calibration saw of it."""
    b = builder
    x = b.input(2, 5, 5, dtype=2)
    y = b.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], pads=[1] * 4)
    b.node("Concat", [x, y], "y", axis=1)
    model = b.model("y")
    model.graph.output[0].type.tensor_type.elem_type = 2
    image = np.random.default_rng(2).integers(0, 250, (3, 2, 5, 5), np.uint8)
    y = infer(save(model), image, image // 3)["y"]
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y[:, :2], image)
    np.testing.assert_array_equal(y[:, 2:, 2, 2], image[:, :, 1:4, 1:4].max(axis=(2, 3)))
