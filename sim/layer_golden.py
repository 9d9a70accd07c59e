"""What every number of a layer pipeline must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dse.network.graph import Window
from dse.network.rounding import MANTISSA_BITS, rescaled
from dse.pipeline.stage_numbers import Ints, StageNumbers
from hw.stages.shape import StageShape
from sim.golden import window_maxima, window_sums


def stage_sums(shape: StageShape, numbers: StageNumbers, x: Ints) -> Ints:
    """The sums with their bias, before requantisation."""
    _, height, width, _ = numbers.weights.shape  # of one image, whatever the map that it lies in
    window = Window(
        kernel=(height, width),
        stride=(shape.stride, shape.stride),
        padding=(shape.pad,) * 4,
    )
    size = (*window.output(*x.shape[:2]), shape.n_out)
    centred = x.astype(np.float64) - numbers.zero_in
    return window_sums(centred, numbers.weights, window, shape.groups, size) + numbers.bias


def stage_result(shape: StageShape, numbers: StageNumbers, x: Ints) -> Ints:
    """What a stage gives."""
    return finished(shape, numbers, stage_sums(shape, numbers, x))


def finished(shape: StageShape, numbers: StageNumbers, sums: Ints) -> Ints:
    """Sums requantised, and pooled."""
    values = rescaled(
        sums, numbers.mantissa, numbers.shift, numbers.zero_out, numbers.low, numbers.high
    )
    pool = shape.pool
    if pool is None:
        return values
    window = Window(
        kernel=(pool.kernel, pool.kernel),
        stride=(pool.stride, pool.stride),
        padding=(pool.pad, pool.pad, 0, 0),
    )
    return window_maxima(values, window, (pool.size_out, pool.size_out, shape.n_out))


def pipeline_result(
    shapes: Sequence[StageShape], numbers: Sequence[StageNumbers], image: Ints
) -> Ints:
    """What the last stage gives for an image."""
    for shape, own in zip(shapes, numbers, strict=True):
        image = stage_result(shape, own, image)
    return image


def drawn_numbers(
    shapes: Sequence[StageShape], image: Ints, rng: np.random.Generator
) -> list[StageNumbers]:
    """Weights at random for layers that have none; shifts by which this image's results just fit.

    Results are cut off at zero, as by ReLU.
    """
    found = []
    for shape in shapes:
        top = 1 << (shape.bits - 1)
        size = (shape.n_out, shape.kernel, shape.kernel, shape.n_in)
        if shape.flattens is not None:
            size = (shape.n_out, *image.shape)
        numbers = StageNumbers(
            weights=rng.integers(-top, top, size),
            bias=rng.integers(-top, top, shape.n_out) << (shape.bits // 2),
            mantissa=_mantissas(shape, rng),
            shift=np.zeros(shape.n_out, np.int64),
            zero_in=0,
            zero_out=0,
            low=0,
            high=top - 1,
        )
        sums = stage_sums(shape, numbers, image)
        highest = int(np.quantile(np.abs(sums), 0.999))
        shift = max(0, highest.bit_length() - shape.bits + 1)
        shift += MANTISSA_BITS - 1 if shape.scaled else 0
        numbers = replace(numbers, shift=np.full(shape.n_out, shift))
        found.append(numbers)
        image = finished(shape, numbers, sums)
    return found


def _mantissas(shape: StageShape, rng: np.random.Generator) -> Ints:
    if not shape.scaled:
        return np.ones(shape.n_out, np.int64)
    return rng.integers(1 << (MANTISSA_BITS - 1), 1 << MANTISSA_BITS, shape.n_out)
