"""Products of many vectors, as NHWC images and sequences have them, are 1 x 1 convolutions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from dse.network.inputs import images
from dse.onnx.importer import check, load
from sim import golden
from tests.dse.network.conftest import Builder
from tests.dse.network.test_segments import programs_answer
from tests.meaning import evaluate

RNG = np.random.default_rng(5)
Save = Callable[[onnx.ModelProto], Path]


def dense(b: Builder, x: str, name: str, inputs: int, outputs: int) -> str:
    weight = b.constant(
        f"{name}.w", (RNG.normal(size=(inputs, outputs)) / inputs**0.5).astype(np.float32)
    )
    x = b.node("MatMul", [x, weight], name)
    return b.node("Add", [b.weight(f"{name}.b", outputs), x], f"{name}.sum")


def perceptron(b: Builder, x: str, channels: int) -> str:
    """Two products with a function between, and a gain for each channel."""
    x = b.node("LeakyRelu", [dense(b, x, "wide", channels, 9)], "leaky", alpha=0.1)
    x = dense(b, x, "narrow", 9, channels)
    return b.node(
        "Mul", [x, b.constant("gain", np.linspace(0.5, 2, channels, dtype=np.float32))], "m"
    )


def block(b: Builder, normalise: bool) -> str:
    """As ConvNeXt has it."""
    image = b.conv(b.input(3, 8, 7), "stem", 6, 3, 3)
    x = b.node("Transpose", [image], "last", perm=[0, 2, 3, 1])
    if normalise:
        x = b.node("LayerNormalization", [x, b.weight("g", 6)], "normal")
    x = b.node("Transpose", [perceptron(b, x, 6)], "first", perm=[0, 3, 1, 2])
    return b.conv(b.node("Add", [x, image], "total"), "head", 4, 6, 3)


def near(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Golden and functional model agree, and are near to float."""
    model = load(path, arrays)
    image = next(images(arrays))
    right = evaluate(path, image)
    found, same = model.answer(image, golden.run), programs_answer(model, image)
    for name, expected in right.items():
        np.testing.assert_array_equal(found[name], same[name])
        assert found[name].shape == expected.shape
        assert np.abs(found[name] - expected).max() < 0.05 * np.abs(expected).max()


def drawn(*shape: int) -> dict[str, np.ndarray]:
    return {"x": RNG.normal(size=shape).astype(np.float32)}


@pytest.mark.parametrize("normalise", [False, True])
def test_a_perceptron_of_each_pixel(builder, save: Save, normalise: bool) -> None:
    path = save(builder.model(block(builder, normalise)))
    report = check(path)
    assert report.middle == (("normal",) if normalise else ())
    assert [name for name, kind in report.layers if kind == "conv"] == [
        "stem",
        "wide",
        "narrow",
        "head",
    ]
    near(path, drawn(3, 3, 8, 7))


def test_a_sum_of_images_with_channels_last(builder, save: Save) -> None:
    b = builder
    x = b.node("Transpose", [b.conv(b.input(3, 6, 5), "a", 6, 3, 1)], "last", perm=[0, 2, 3, 1])
    x = b.node("Add", [perceptron(b, x, 6), x], "total")
    path = save(b.model(dense(b, b.node("Relu", [x], "r"), "end", 6, 4)))
    assert not check(path).tail and not check(path).middle
    near(path, drawn(3, 3, 6, 5))


def test_a_sequence_from_the_host_and_back(builder, save: Save) -> None:
    """The vectors of a sequence enter and leave as they lie; attention between is the host's."""
    b = builder
    x = dense(b, b.input(10, 12), "in", 12, 8)
    attention = b.node("MatMul", [x, b.node("Transpose", [x], "t", perm=[0, 2, 1])], "scores")
    x = b.node("MatMul", [b.node("Softmax", [attention], "shares", axis=-1), x], "mixed")
    path = save(b.model(dense(b, x, "out", 8, 5)))
    report = check(path)
    assert report.middle == ("scores", "shares", "mixed") and report.segments == 2
    assert not report.head and not report.tail
    near(path, drawn(2, 10, 12))


def test_a_product_of_pixels_out_of_order_is_the_hosts_to_prepare(builder, save: Save) -> None:
    """Of a transposed matrix the host makes rows; the product stays on the overlay."""
    b = builder
    x = dense(b, b.input(10, 12), "in", 12, 8)
    x = b.node("Transpose", [x], "across", perm=[0, 2, 1])
    path = save(b.model(dense(b, x, "out", 10, 5)))
    assert check(path).middle == ("across",)
    near(path, drawn(2, 10, 12))
