"""What only moves values, or enlarges: float models, and quantised ones to the unit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.dse.network.conftest import Builder
from tests.kit.answers import off

Draw = Callable[[Builder, str, int], tuple[str, int]]
"""Adds nodes behind a tensor of some channels; what they make, and its channels."""

SIZE = 6, 5


def zeros(b: Builder, x: str, channels: int) -> tuple[str, int]:
    sides = [0, 0, *b.rng.integers(0, 3, 2), 0, 0, *b.rng.integers(0, 3, 2)]
    return b.node("Pad", [x, b.constant("pads", np.array(sides, np.int64))], "moved"), channels


def cropped(b: Builder, x: str, channels: int) -> tuple[str, int]:
    sides = [0, 0, *b.rng.integers(-2, 2, 2), 0, 0, *b.rng.integers(-2, 2, 2)]
    return b.node("Pad", [x, b.constant("pads", np.array(sides, np.int64))], "moved"), channels


def mirrored(b: Builder, x: str, channels: int) -> tuple[str, int]:
    sides = [0, 0, *b.rng.integers(0, 4, 2), 0, 0, *b.rng.integers(0, 4, 2)]
    operands = [x, b.constant("pads", np.array(sides, np.int64))]
    mode = str(b.rng.choice(["edge", "reflect"]))
    return b.node("Pad", operands, "moved", mode=mode), channels


def nearest(b: Builder, x: str, channels: int) -> tuple[str, int]:
    scales = b.constant("scales", np.array([1, 1, *b.rng.integers(1, 4, 2)], np.float32))
    mode = str(b.rng.choice(["asymmetric", "half_pixel"]))
    rounding = "floor" if mode == "asymmetric" else "round_prefer_floor"
    options = {"coordinate_transformation_mode": mode, "nearest_mode": rounding}
    return b.node("Resize", [x, "", scales], "moved", **options), channels


def transposed(b: Builder, x: str, channels: int) -> tuple[str, int]:
    stride, kernel, dilation = (b.rng.integers(1, most, 2).tolist() for most in (4, 5, 3))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    pads = [int(b.rng.integers(0, min(n, 3))) for n in (*reach, *reach)]
    more = [int(b.rng.integers(0, s)) for s in stride]
    groups = int(b.rng.choice([g for g in (1, 2, 4) if channels % g == 0]))
    each = int(b.rng.integers(1, 4))
    weight = b.weight("up.w", channels, each, *kernel)
    operands = [x, weight, b.weight("up.b", groups * each)]
    options = {"strides": stride, "pads": pads, "output_padding": more, "dilations": dilation}
    return b.node("ConvTranspose", operands, "moved", group=groups, **options), groups * each


DRAWS: tuple[Draw, ...] = (zeros, cropped, mirrored, nearest, transposed)


def images(channels: int, seed: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).normal(0, 1, (2, channels, *SIZE)).astype(np.float32)}


class Exact(Builder):
    """Weights are int8 with a scale that is a power of two: float kernels make no error."""

    def weight(self, name: str, *shape: int) -> str:
        if len(shape) == 1:
            values = self.rng.integers(-999, 999, shape) * 2.0**-10
            return self.constant(name, values.astype(np.float32))
        values = self.constant(f"{name}.int", self.rng.integers(-64, 65, shape).astype(np.int8))
        scale = self.constant(f"{name}.scale", np.float32(2**-6))
        return self.node("DequantizeLinear", [values, scale], name)

    def rounded(self, x: str, name: str, scale: float, zero: int) -> str:
        """The tensor through QuantizeLinear and DequantizeLinear."""
        operands = [
            self.constant(f"{name}.s", np.float32(scale)),
            self.constant(f"{name}.z", np.int8(zero)),
        ]
        q = self.node("QuantizeLinear", [x, *operands], f"{name}.q")
        return self.node("DequantizeLinear", [q, *operands], name)


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_float_models(draw: Draw, seed: int, tmp_path: Path) -> None:
    b = Builder(seed)
    x = b.relu(b.conv(b.input(3, *SIZE), "first", 4, 3, 3, pads=[1] * 4))
    x, channels = draw(b, x, 4)
    if seed % 2:
        x = b.relu(x)
    kind = ("Conv", "MaxPool", "AveragePool", "Conv")[seed]
    if kind == "Conv":
        x = b.conv(x, "last", 5, channels, 2 - seed % 2, pads=[1, 0, 0, 1])
    else:
        x = b.node(kind, [x], "last", kernel_shape=[2, 2])
    model = b.model(b.node("GlobalMaxPool", [x], "peak"), x)
    assert off(model, images(3, seed), tmp_path, calibrated=True) < 0.04


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_quantised_models(draw: Draw, seed: int, tmp_path: Path) -> None:
    """Not one unit off."""
    b = Exact(seed + 10)
    x = b.rounded(b.input(4, *SIZE), "image", 2**-5, int(b.rng.integers(-40, 40)))
    x, channels = draw(b, x, 4)
    x = b.rounded(x, "result", 2**-4 if draw is transposed else 2**-5, -3)
    x = b.conv(x, "conv", 3, channels, 2)
    x = b.rounded(x, "last", 2**-3, 5)
    assert off(b.model(x), images(4, seed), tmp_path) == 0.0
