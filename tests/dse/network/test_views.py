"""What only moves values, or enlarges: float models, and quantised ones to the unit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import polymap
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


def between(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """By powers of two the reference computes it exactly."""
    times = b.rng.choice([1, 2, 4] if isinstance(b, Exact) else [1, 2, 3, 4, 5], 2)
    scales = b.constant("scales", np.array([1, 1, *times], np.float32))
    options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    if b.rng.random() < 0.3:
        options["coordinate_transformation_mode"] = "asymmetric"
    return b.node("Resize", [x, "", scales], "moved", **options), channels


def from_one_pixel(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """As segmenters spread what they know of the whole image."""
    pooled = b.node("GlobalAveragePool", [x], "mean")
    sizes = b.constant("sizes", np.array([1, channels, *b.rng.integers(2, 9, 2)], np.int64))
    mode = str(b.rng.choice(["linear", "cubic"]))
    where = str(b.rng.choice(["half_pixel", "align_corners"]))
    options = {"mode": mode, "coordinate_transformation_mode": where}
    return b.node("Resize", [pooled, "", "", sizes], "moved", **options), channels


def far_between(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """Rows first, then columns: the shares of four pixels are no int8 weights."""
    scales = b.constant("scales", np.array([1, 1, *b.rng.integers(6, 11, 2)], np.float32))
    options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
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


def transposed_to_a_size(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """What is cut off follows from the size; of an odd number of pixels more in front."""
    stride, kernel = (b.rng.integers(2, most, 2).tolist() for most in (4, 5))
    full = [s * (n - 1) + k for n, s, k in zip(SIZE, stride, kernel, strict=True)]
    mode = str(b.rng.choice(["NOTSET", "SAME_UPPER", "SAME_LOWER"]))
    size = [n - int(b.rng.integers(0, k)) for n, k in zip(full, kernel, strict=True)]
    options = {"strides": stride, "output_shape": size, "auto_pad": mode}
    weight = b.weight("up.w", channels, 3, *kernel)
    return b.node("ConvTranspose", [x, weight], "moved", **options), 3


def sliced(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """Some channels, rows and columns, at steps."""
    first = b.rng.integers(0, 2, 3)
    last = [channels, *SIZE] - b.rng.integers(0, 2, 3)
    step = b.rng.integers(1, 3, 3)
    operands = [
        b.constant(name, np.array(values, np.int64))
        for name, values in (
            ("starts", first),
            ("ends", last),
            ("axes", [1, 2, 3]),
            ("steps", step),
        )
    ]
    return b.node("Slice", [x, *operands], "moved"), len(range(first[0], last[0], step[0]))


def divided(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """A part and a shuffled rest, both used."""
    sizes = b.constant("sizes", np.array([1, channels - 1], np.int64))
    b.nodes.append(helper.make_node("Split", [x, sizes], ["left", "right"], axis=1))
    order = b.constant("order", b.rng.permutation(channels - 1).astype(np.int64))
    right = b.node("Gather", ["right", order], "shuffled", axis=1)
    return b.node("Concat", [right, "left", right], "moved", axis=1), 2 * channels - 1


def shuffled(b: Builder, x: str, channels: int) -> tuple[str, int]:
    """As ShuffleNet does it; the half of it convolved and joined again."""
    five = b.constant("five", np.array([-1, 2, channels // 2, *SIZE], np.int64))
    x = b.node(
        "Transpose", [b.node("Reshape", [x, five], "five.x")], "turned", perm=[0, 2, 1, 3, 4]
    )
    four = b.constant("four", np.array([-1, channels, *SIZE], np.int64))
    x = b.node("Reshape", [x, four], "moved")
    return x, channels


def blocks(b: Builder, x: str, channels: int) -> tuple[str, int]:
    mode = str(b.rng.choice(["DCR", "CRD"]))
    x = b.node("DepthToSpace", [x], "large", blocksize=2, mode=mode)
    if b.rng.random() < 0.5:
        return x, channels // 4
    x = b.node("Concat", [x, x], "large.twice", axis=1)
    return b.node("SpaceToDepth", [x], "moved", blocksize=2), 2 * channels


def stacked(b: Builder, x: str, channels: int) -> tuple[str, int]:
    axis = int(b.rng.choice([2, 3]))
    y = b.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], pads=[1] * 4)
    return b.node("Concat", [x, y, x], "moved", axis=axis), channels


DRAWS: tuple[Draw, ...] = (
    *(zeros, cropped, mirrored, nearest, between, transposed, transposed_to_a_size),
    *(sliced, divided, shuffled, blocks, stacked),
)


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
    x = b.rounded(x, "result", 2**-4 if draw in (transposed, transposed_to_a_size) else 2**-5, -3)
    x = b.conv(x, "conv", 3, channels, 2)
    x = b.rounded(x, "last", 2**-3, 5)
    assert off(b.model(x), images(4, seed), tmp_path) == 0.0


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("draw", [divided, shuffled, sliced], ids=lambda draw: draw.__name__)
def test_weights_take_the_order_of_channels(draw: Draw, depthwise: bool, tmp_path: Path) -> None:
    """Filters of one channel each, and what reads them."""
    b = Exact(5)
    x = b.rounded(b.input(4, *SIZE), "image", 2**-5, 7)
    x, channels = draw(b, x, 4)
    groups = channels if depthwise else 1
    weight, bias = (
        b.weight("d.w", 2 * groups, channels // groups, 2, 2),
        b.weight("d.b", 2 * groups),
    )
    x = b.rounded(b.node("Conv", [x, weight, bias], "deep", group=groups), "result", 2**-4, -3)
    x = b.rounded(b.conv(b.relu(x), "conv", 3, 2 * groups, 1), "last", 2**-3, 5)
    assert off(b.model(x), images(4, 1), tmp_path) == 0.0


@pytest.mark.parametrize("draw", [divided, shuffled], ids=lambda draw: draw.__name__)
def test_results_in_another_order_are_put_in_the_models(draw: Draw, tmp_path: Path) -> None:
    """A depthwise convolution keeps the order of its input, and nothing comes behind it."""
    b = Exact(5)
    x = b.rounded(b.input(4, *SIZE), "image", 2**-5, 7)
    x, channels = draw(b, x, 4)
    weight = b.weight("d.w", channels, 1, 2, 2)
    x = b.rounded(b.node("Conv", [x, weight], "deep", group=channels), "result", 2**-4, -3)
    assert off(b.model(x), images(4, 1), tmp_path) == 0.0
    assert polymap.check(tmp_path / "model.onnx").tail == ()


@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
def test_flattened_images_in_nhwc_order(kind: str, tmp_path: Path) -> None:
    b = Exact(6)
    x = b.rounded(b.input(4, *SIZE), "image", 2**-5, 7)
    x = b.node("Transpose", [x], "last", perm=[0, 2, 3, 1])
    x = b.node("Flatten", [x], "flat")
    x = b.rounded(b.node(kind, [x, b.weight("w", 120, 7)], "dense"), "result", 2**-3, 0)
    assert off(b.model(x), images(4, 1), tmp_path) == 0.0


def test_the_host_moves_what_only_it_reads(tmp_path: Path) -> None:
    """Of a view that a layer reads, too, it reads the tensor behind it."""
    b = Exact(8)
    x = b.rounded(b.input(4, *SIZE), "image", 2**-5, 7)
    x = b.rounded(b.conv(x, "conv", 6, 4, 1), "middle", 2**-4, 1)
    x, channels = shuffled(b, x, 6)
    y = b.rounded(b.conv(x, "reader", 3, channels, 1), "last", 2**-3, 5)
    z = b.node("Transpose", [y], "turned.last", perm=[0, 2, 3, 1])
    assert off(b.model(z, x), images(4, 1), tmp_path) == 0.0


def test_windows_that_leave_less_than_nothing(tmp_path: Path) -> None:
    """onnx's own shape inference ends the process where a size below zero is sliced."""
    b = Builder(9)
    x = b.conv(b.input(3, *SIZE), "conv", 4, 3, 1)
    x = b.node("MaxPool", [x], "pool", kernel_shape=[1 << 30, 2])
    x, channels = sliced(b, x, 4)
    onnx.save(b.model(b.conv(x, "last", 2, channels, 1)), tmp_path / "model.onnx")
    assert "pool" in [problem.name for problem in polymap.check(tmp_path / "model.onnx").problems]


def test_reshapes_to_another_number_of_values(tmp_path: Path) -> None:
    """The host cannot do that either."""
    b = Builder(9)
    x = b.conv(b.input(3, *SIZE), "conv", 4, 3, 1)
    x = b.node("Reshape", [x, b.constant("shape", np.array([1, 2, 7, 7]))], "reshaped")
    onnx.save(b.model(b.conv(x, "last", 2, 2, 1)), tmp_path / "model.onnx")
    assert "reshaped" in [one.name for one in polymap.check(tmp_path / "model.onnx").problems]


def spelled(b: Builder, x: str, kind: str, opset: int) -> tuple[str, int]:
    """A view as an opset writes it: numbers as attributes or as inputs."""

    def numbers(name: str, values: list[int]) -> str:
        return b.constant(name, np.array(values, np.int64))

    match kind, opset:
        case "Slice", 9:
            options = {"starts": [1, -4], "ends": [9999, -1], "axes": [1, 2]}
            return b.node("Slice", [x], "moved", **options), 3
        case "Slice", _:
            operands = [numbers("s", [3, 1]), numbers("e", [-(1 << 62), 4]), numbers("a", [-3, 3])]
            return b.node("Slice", [x, *operands, numbers("t", [-1, 1])], "moved"), 4
        case "Split", 9 | 11:
            node = helper.make_node("Split", [x], ["moved", "rest"], axis=1, split=[3, 1])
        case "Split", 18:
            node = helper.make_node("Split", [x], ["moved", "rest"], axis=-3, num_outputs=2)
        case "Split", _:
            node = helper.make_node("Split", [x], ["moved", "rest"], axis=1)
        case "Pad", 9:
            return b.node("Pad", [x], "moved", pads=[0, 0, 1, 0, 0, 0, 2, 1], value=0.0), 4
        case "Pad", _:
            none = b.constant("zero", np.float32(0))
            operands = [x, numbers("p", [1, 2, 0, 1]), none]
            return b.node("Pad", [*operands, numbers("a", [2, 3])], "moved", mode="constant"), 4
        case "Upsample", _:
            scales = b.constant("scales", np.float32([1, 1, 2, 3]))
            return b.node("Upsample", [x, scales], "moved"), 4
        case "Resize", 10:
            scales = b.constant("scales", np.float32([1, 1, 3, 1]))
            return b.node("Resize", [x, scales], "moved", mode="nearest"), 4
        case _:
            operands = [x, "", "", numbers("sizes", [1, 4, 2 * SIZE[0], SIZE[1]])]
            return b.node("Resize", operands, "moved", nearest_mode="round_prefer_ceil"), 4
    b.nodes.append(node)
    return "moved", 3 if opset < 12 else 2


@pytest.mark.parametrize(
    ("kind", "opset"),
    [
        *(("Slice", 9), ("Slice", 11), ("Split", 11), ("Split", 13), ("Split", 18), ("Pad", 9)),
        *(("Pad", 18), ("Upsample", 9), ("Resize", 10), ("Resize", 13), ("Resize", 19)),
    ],
)
def test_spellings(kind: str, opset: int, tmp_path: Path) -> None:
    b = Builder(4)
    x = b.relu(b.conv(b.input(3, *SIZE), "first", 4, 3, 3, pads=[1] * 4))
    x, channels = spelled(b, x, kind, opset)
    model = b.model(b.conv(x, "last", 5, channels, 2), opset=opset)
    batch = images(3, 2)
    if "sizes" in {tensor.name for tensor in b.constants}:  # they list the batch, too
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        batch = {name: array[:1] for name, array in batch.items()}
    assert off(model, batch, tmp_path, calibrated=True) < 0.04
