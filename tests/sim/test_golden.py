"""The golden model against the definition of its arithmetic, one integer at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.network.graph import (
    Concat,
    Conv,
    Network,
    NetworkError,
    Numbers,
    Pool,
    Quantisation,
    Reshape,
    Tensor,
    Window,
)
from dse.network.rounding import factor
from sim import golden

seeds = st.integers(0, 2**32 - 1)


def finish(acc: int, real: float, zero_point: int, low: int, high: int) -> int:
    """Requantisation in exact fractions; Python rounds halves to even."""
    f = factor(real)
    return min(max(round(Fraction(acc * f.mantissa, 2**f.shift)) + zero_point, low), high)


def taps(window: Window, y: int, x: int, height: int, width: int):
    """(ky, kx, row, column) of every tap of a window, those outside the image included."""
    for ky in range(window.kernel[0]):
        for kx in range(window.kernel[1]):
            row = y * window.stride[0] - window.padding[0] + ky * window.dilation[0]
            column = x * window.stride[1] - window.padding[1] + kx * window.dilation[1]
            yield ky, kx, row, column, 0 <= row < height and 0 <= column < width


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_convolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel, stride, dilation = (tuple(rng.integers(1, 4, 2).tolist()) for _ in range(3))
    window = Window(kernel, stride, dilation, tuple(rng.integers(0, 4, 4).tolist()))
    height, width = (
        d * (k - 1) + int(rng.integers(1, 4)) for d, k in zip(dilation, kernel, strict=True)
    )
    groups = int(rng.integers(1, 4))
    cin, cout = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    zx, zy, low, high = rng.integers(-128, 128, 4).tolist()
    low, high = sorted((low, high))
    x = Tensor("x", height, width, cin, Quantisation(0.5, zx))
    y = Tensor("y", *window.output(height, width), cout, Quantisation(30.0, zy))
    weight = rng.integers(-127, 128, (cout, *kernel, cin // groups), np.int8)
    scale, bias = rng.uniform(0.1, 2, cout), rng.integers(-5000, 5000, cout).astype(np.int32)
    op = Conv("op", "x", "y", window, groups, Numbers(weight, scale, bias, low, high))
    network = Network("n", {"x": x, "y": y}, (op,), ("x",), ("y",))
    image = rng.integers(-128, 128, x.shape, np.int8)
    result = golden.run(network, {"x": image})["y"]
    for (row, column, channel), value in np.ndenumerate(result):
        first = channel // (cout // groups) * (cin // groups)
        acc = int(bias[channel])
        for ky, kx, i, j, inside in taps(window, row, column, height, width):
            for c in range(cin // groups if inside else 0):
                acc += (int(image[i, j, first + c]) - zx) * int(weight[channel, ky, kx, c])
        assert value == finish(acc, 0.5 * scale[channel] / 30.0, zy, low, high)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(["max", "average"]), st.booleans(), st.booleans())
def test_pool(seed: int, kind: str, include: bool, ceil: bool) -> None:
    rng = np.random.default_rng(seed)
    kernel = tuple(rng.integers(2, 5, 2).tolist())
    stride = tuple(rng.integers(1, 4, 2).tolist())
    padding = tuple(int(rng.integers(0, kernel[side % 2])) for side in range(4))
    window = Window(kernel, stride, (1, 1), padding)
    height, width = (k + int(rng.integers(0, 4)) for k in kernel)
    size = list(window.output(height, width))
    for axis, n in enumerate((height, width)):
        size[axis] += ceil and size[axis] * stride[axis] < n + padding[axis]
    zx, zy = rng.integers(-128, 128, 2).tolist()
    x = Tensor("x", height, width, 2, Quantisation(0.5, zx))
    y = Tensor("y", *size, 2, Quantisation(0.7, zy))
    op = Pool("op", "x", "y", kind, window, include and kind == "average", -100, 100)
    network = Network("n", {"x": x, "y": y}, (op,), ("x",), ("y",))
    image = rng.integers(-128, 128, x.shape, np.int8)
    result = golden.run(network, {"x": image})["y"]
    for (row, column, channel), value in np.ndenumerate(result):
        seen, count = [], 0
        for _, _, i, j, inside in taps(window, row, column, height, width):
            if inside:
                seen.append(int(image[i, j, channel]) - zx)
            in_padding = -padding[0] <= i < height + padding[2] and (
                -padding[1] <= j < width + padding[3]
            )
            count += in_padding if op.count_include_pad else inside
        acc, taken = (max(seen), 1) if kind == "max" else (sum(seen), count)
        assert value == finish(acc, 0.5 / (0.7 * taken), zy, -100, 100)


def test_large_layers_are_cut_into_rows() -> None:
    """A layer of more than one chunk equals the same layer in one chunk."""
    rng = np.random.default_rng(0)
    x = Tensor("x", 40, 40, 32, Quantisation(0.1, 3))
    y = Tensor("y", 40, 40, 8, Quantisation(8.0, -3))
    weight = rng.integers(-127, 128, (8, 3, 3, 32), np.int8)
    window = Window((3, 3), padding=(1, 1, 1, 1))
    op = Conv("op", "x", "y", window, 1, Numbers(weight, np.full(8, 0.1), np.zeros(8, np.int32)))
    network = Network("n", {"x": x, "y": y}, (op,), ("x",), ("y",))
    image = {"x": rng.integers(-128, 128, x.shape, np.int8)}
    whole = golden.run(network, image)["y"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden, "_CHUNK_VALUES", 40 * 9 * 32 * 7)
        np.testing.assert_array_equal(golden.run(network, image)["y"], whole)


def test_concat_and_reshape_move_bytes_only() -> None:
    q = Quantisation(0.1, 3)
    shapes = {"a": (2, 3, 4), "b": (2, 3, 1), "c": (2, 3, 5), "d": (1, 1, 30)}
    tensors = {name: Tensor(name, *shape, q) for name, shape in shapes.items()}
    operators = (Concat("join", ("a", "b"), "c"), Reshape("flat", "c", "d"))
    network = Network("n", tensors, operators, ("a", "b"), ("d",))
    a, b = (np.arange(np.prod(shapes[n]), dtype=np.int8).reshape(shapes[n]) for n in "ab")
    result = golden.run(network, {"a": a, "b": b})
    assert set(result) == set("abcd")
    np.testing.assert_array_equal(result["c"], np.concatenate([a, b], axis=2))
    np.testing.assert_array_equal(result["d"].reshape(-1), result["c"].reshape(-1))


def test_inputs_are_checked() -> None:
    q = Quantisation(0.1, 3)
    x, y = Tensor("x", 2, 2, 1, q), Tensor("y", 1, 1, 4, q)
    network = Network("n", {"x": x, "y": y}, (Reshape("r", "x", "y"),), ("x",), ("y",))
    with pytest.raises(NetworkError, match="input 'x' of network 'n' is missing"):
        golden.run(network, {})
    with pytest.raises(NetworkError, match=r"must be int8 \(2, 2, 1\), not int64 \(2, 2, 1\)"):
        golden.run(network, {"x": np.zeros((2, 2, 1), np.int64)})
