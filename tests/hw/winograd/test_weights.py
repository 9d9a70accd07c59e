"""Winograd convolutions equal direct ones; the weight words hold the operands where they belong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dse.compile.winograd_weights import (
    left_words,
    round_offsets,
    top_words,
    transformed_weights,
)
from hw.isa.config import ceil_div
from hw.isa.transforms import F2, F4, LINE3, LINE4, Transform
from tests.hw.winograd.vectors import EACH, TRANSFORMS, kernel_shape
from tests.kit.winograd import winograd_conv

Ints = npt.NDArray[np.int64]


def direct(image: Ints, weight: Ints, padding: tuple[int, ...], fill: int) -> Ints:
    top, left, bottom, right = padding
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    ky, kx = weight.shape[1:3]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (ky, kx), axis=(0, 1))
    return np.einsum("abcyx,oyxc->abo", windows.astype(np.int64), weight.astype(np.int64))


@settings(max_examples=150, deadline=None)
@given(
    transform=st.sampled_from(TRANSFORMS),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 8)] * 4),
    fill=st.sampled_from([-128, 0, 5, 127]),
    extreme=st.booleans(),
    seed=st.integers(0, 2**32),
)
@example(F4, (1, 7), (5, 0), (2, 2), (0, 3, 0, 3), -128, True, 0)
@example(F2, (7, 1), (0, 5), (2, 2), (3, 0, 3, 0), 127, True, 0)
def test_equals_direct_convolution(
    transform: Transform,
    kernel: tuple[int, int],
    extra: tuple[int, int],
    channels: tuple[int, int],
    padding: tuple[int, int, int, int],
    fill: int,
    extreme: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    cin, cout = channels
    size = (
        max(1, kernel[0] + extra[0] - padding[0] - padding[2]),
        max(1, kernel[1] + extra[1] - padding[1] - padding[3]),
    )
    image = rng.integers(-128, 128, (*size, cin)).astype(np.int8)
    weight = rng.integers(-127, 128, (cout, *kernel, cin)).astype(np.int8)
    if extreme:
        image = rng.choice(np.array([-128, 127], np.int8), image.shape)
        weight = rng.choice(np.array([-128, 127], np.int8), weight.shape)
    result = winograd_conv(image, weight, transform, padding=padding, fill=fill)
    assert np.array_equal(result, direct(image, weight, padding, fill))


@pytest.mark.parametrize("transform", [F2, F4], ids=lambda t: t.name)
def test_rounds_cut_the_kernel(transform: Transform) -> None:
    assert round_offsets((3, 3), transform) == ((0, 0),)
    assert round_offsets((1, 7), transform) == ((0, 0), (0, 3), (0, 6))
    assert round_offsets((5, 5), transform) == ((0, 0), (0, 3), (3, 0), (3, 3))
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (4, 5, 7, 3)).astype(np.int8)
    operands = transformed_weights(weight, transform)
    assert operands.shape == (6, transform.elements, 3, 4)
    matrix = np.array(transform.y.weight_matrix)
    corner = np.zeros((3, 3), np.int64)
    corner[:2, :1] = weight[1, 3:5, 6:7, 2]
    expected = (matrix @ corner @ matrix.T).reshape(-1)
    assert np.array_equal(operands[5, :, 2, 1], expected)


def test_rounds_of_lines() -> None:
    assert round_offsets((7, 2), LINE3) == ((0, 0), (0, 1), (4, 0), (4, 1))
    assert round_offsets((3, 1), LINE4) == ((0, 0),)


@EACH
def test_extreme_weights_fit(transform: Transform) -> None:
    rng = np.random.default_rng(0)
    weight = rng.choice(np.array([-128, 127], np.int8), (512, *kernel_shape(transform), 1))
    weight[0] = -128
    operands = transformed_weights(weight, transform)
    assert abs(operands.astype(int)).max() == transform.weight_bound


ROWS, LANES, COLUMNS = 3, 2, 4
REDUCTION = ROWS * LANES


@EACH
@pytest.mark.parametrize(("cin", "cout"), [(6, 4), (7, 9), (1, 1)])
def test_words_hold_the_operands(transform: Transform, cin: int, cout: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (cout, 3, 5, cin)).astype(np.int8)
    operands = transformed_weights(weight, transform)
    count, elements = operands.shape[:2]
    words = ceil_div(cin, REDUCTION)
    top = iter(top_words(operands, rows=ROWS, columns=COLUMNS, lanes=LANES))
    for place in np.ndindex(ceil_div(cout, COLUMNS), count, words, elements, ROWS):
        tile, round_, word, element, turn = place
        expected = np.zeros((COLUMNS, LANES), int)
        for column, lane in np.ndindex(COLUMNS, LANES):
            channel = tile * COLUMNS + column
            source = word * REDUCTION + (ROWS - 1 - turn) * LANES + lane
            if channel < cout and source < cin:
                expected[column, lane] = operands[round_, element, source, channel]
        assert next(top).tolist() == expected.reshape(-1).tolist()
    assert next(top, None) is None

    left = iter(left_words(operands, reduction=REDUCTION, channel_tile=COLUMNS))
    for first in range(0, cout, COLUMNS):
        tile_channels = range(first, min(cout, first + COLUMNS))
        for round_, word, element in np.ndindex(count, words, elements):
            for channel in tile_channels:
                expected = np.zeros(REDUCTION, int)
                own = operands[round_, element, word * REDUCTION :, channel][:REDUCTION]
                expected[: len(own)] = own
                assert next(left).tolist() == expected.tolist()
    assert next(left, None) is None
