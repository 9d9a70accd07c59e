"""The derived transforms: exact, integer, and with the bounds they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.isa.transforms import POINT, Transform, TransformError, derive, signed_bits
from tests.hw.winograd.vectors import (
    EACH,
    TRANSFORMS,
    correlation,
    extreme_kernels,
    extreme_patches,
    kernel_shape,
    matrices,
    patch_shape,
    transformed,
)

LINES = [
    derive(1, (0, 1)),
    derive(2, (0, -2, 2)),
    derive(3, (-1, 1, -2, 2)),
    derive(2, (0, -2, 2, -1, 1), 5).scaled(3),
]
DERIVED = [
    *TRANSFORMS,
    *(Transform(line, line) for line in LINES),
    *(Transform(line, POINT) for line in LINES),
    Transform(LINES[0], LINES[3]),
]
NAMES = [t.name for t in TRANSFORMS]


def known(*values: object) -> dict[str, object]:
    """Of each transform of the hardware, in their order."""
    return dict(zip(NAMES, values, strict=True))


@given(st.sampled_from(DERIVED), st.integers(0, 2**32), st.integers(1, 5))
def test_any_transform_is_exact(transform: Transform, seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    patches = rng.integers(-1000, 1000, (channels, *patch_shape(transform)))
    kernels = rng.integers(-1000, 1000, (channels, *kernel_shape(transform)))
    b, g, a = matrices(transform)
    elements = (transformed(b, patches) * transformed(g, kernels)).sum(axis=0)
    expected = transform.total_scale * correlation(patches, kernels)
    assert np.array_equal(transformed(a, elements), expected)


@EACH
def test_extremes_are_exact(transform: Transform) -> None:
    b, g, a = matrices(transform)
    for patch in extreme_patches(transform):
        for kernel in extreme_kernels(transform):
            result = transformed(a, transformed(b, patch) * transformed(g, kernel))
            expected = correlation(patch[None], kernel[None])
            assert np.array_equal(result, transform.total_scale * expected)


@EACH
def test_known_scales(transform: Transform) -> None:
    assert transform.total_scale == known(4, 576, 72, 72)[transform.name]
    assert transform.odd_scale << transform.total_shift == transform.total_scale
    assert transform.odd_scale in (1, 9)  # one divider serves all
    for axis in (transform.y, transform.x):
        powers = {abs(c) for row in axis.output_matrix for c in row if c}
        assert all(c & (c - 1) == 0 for c in powers)
        assert all(row[-1] for row in axis.output_matrix)


@EACH
def test_bounds_are_attained(transform: Transform) -> None:
    b, g, _ = matrices(transform)
    values = np.array([transformed(b, patch) for patch in extreme_patches(transform)])
    operands = np.array([transformed(g, kernel) for kernel in extreme_kernels(transform)])
    assert (values.min(), values.max()) == transform.input_range
    assert np.abs(operands).max() == transform.weight_bound
    ranges = known((-512, 510), (-12768, 12750), (-1275, 1278), (-1275, 1278))
    assert transform.input_range == ranges[transform.name]
    assert transform.weight_bound == known(1152, 6272, 2688, 5760)[transform.name]
    products = [
        np.abs(values[:, i, j]).max() * np.abs(operands[:, i, j]).max()
        for i, j in np.ndindex(patch_shape(transform))
    ]
    assert transform.product_bound(100) == 100 * max(products)


@EACH
def test_one_bit_less_is_too_narrow(transform: Transform) -> None:
    assert transform.operand_bits == known(12, 15, 13, 14)[transform.name]
    low, high = transform.input_range
    bound = transform.weight_bound
    assert bound >= 1 << (transform.operand_bits - 2) or low < -1 << (transform.operand_bits - 2)
    assert transform.sum_bits == known(12, 16, 13, 14)[transform.name]
    assert min(low - bound, -high - bound) < -1 << (transform.sum_bits - 2)


@given(st.integers(-(1 << 40), 1 << 40))
def test_signed_bits_is_the_least(value: int) -> None:
    bits = signed_bits(value)
    assert -1 << (bits - 1) <= value < 1 << (bits - 1)
    assert bits == 1 or not -1 << (bits - 2) <= value < 1 << (bits - 2)


@pytest.mark.parametrize(
    ("m", "points", "message"),
    [
        (2, (0, 1), r"F\(2,3\) needs 3 distinct points"),
        (2, (0, 1, 1), r"F\(2,3\) needs 3 distinct points"),
        (4, (0, -1, 1, -2, 3), r"no multiple of row \(0, 0, 1\) of G leaves a power of two"),
    ],
)
def test_refuses(m: int, points: tuple[int, ...], message: str) -> None:
    with pytest.raises(TransformError, match=message):
        derive(m, points)
