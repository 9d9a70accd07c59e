"""Patches, kernels and expected values for the tests of the Winograd units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hw.isa.transforms import F2, F4, LINE3, LINE4, Transform

Ints = npt.NDArray[np.int64]
Pair = tuple[Ints, Ints]

TRANSFORMS = (F2, F4, LINE4, LINE3)
EACH = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.name)
_SETS = [(F2,), (F4,), (LINE3,), (F2, F4), (F4, F2), TRANSFORMS]
_QUICK = [((F2,), 0.0), ((F4,), 0.0), ((F4, F2), 0.0), ((LINE3,), 0.3), (TRANSFORMS, 0.3)]


def _run(transforms: tuple[Transform, ...], gaps: float) -> Any:
    marks = () if (transforms, gaps) in _QUICK else pytest.mark.slow
    names = "+".join(transform.name for transform in transforms)
    return pytest.param(transforms, gaps, marks=marks, id=f"{gaps}-{names}")


RUNS = pytest.mark.parametrize(
    ("transforms", "gaps"), [_run(many, gaps) for gaps in (0.0, 0.3) for many in _SETS]
)
"""Of one transform and of several, with gaps and without."""


def matrices(transform: Transform) -> tuple[Pair, Pair, Pair]:
    """B^T, G and A^T, each along y and along x."""
    y, x = transform.y, transform.x
    return (
        (np.array(y.input_matrix), np.array(x.input_matrix)),
        (np.array(y.weight_matrix), np.array(x.weight_matrix)),
        (np.array(y.output_matrix), np.array(x.output_matrix)),
    )


def patch_shape(transform: Transform) -> tuple[int, int]:
    """Rows and columns of a patch."""
    return transform.y.alpha, transform.x.alpha


def kernel_shape(transform: Transform) -> tuple[int, int]:
    """Rows and columns of a round's kernel."""
    return transform.y.taps, transform.x.taps


def extreme_patches(transform: Transform) -> list[Ints]:
    """Constant, checkered, striped, and those that reach both ends of every element of V."""
    shape = patch_shape(transform)
    rows, columns = np.indices(shape) % 2
    patches = [np.full(shape, value) for value in (-128, 127, 0)]
    for pattern in (rows ^ columns, 1 - (rows ^ columns), rows, columns):
        patches.append(np.where(pattern, 127, -128))
    along_y, along_x = matrices(transform)[0]
    for a in along_y:
        for b in along_x:
            signs = np.outer(a, b)
            patches += [np.where(signs > 0, 127, -128), np.where(signs > 0, -128, 127)]
    return patches


def extreme_kernels(transform: Transform) -> list[Ints]:
    """Constant ones, and those that reach both ends of every element of U."""
    kernels = [np.full(kernel_shape(transform), value) for value in (-128, 127)]
    along_y, along_x = matrices(transform)[1]
    for a in along_y:
        for b in along_x:
            negative = np.outer(a, b) < 0
            kernels += [np.where(negative, -128, 127), np.where(negative, 127, -128)]
    return kernels


def transformed(pair: Pair, block: Ints) -> Ints:
    """``y block x^T`` over the last two axes."""
    along_y, along_x = pair
    return np.asarray(along_y @ block @ along_x.T)


def correlation(patches: Ints, kernels: Ints) -> Ints:
    """Sums over the first axis of the valid correlation of patches and kernels."""
    windows = np.lib.stride_tricks.sliding_window_view(patches, kernels.shape[1:], axis=(1, 2))
    return np.einsum("nyxij,nij->yx", windows, kernels)


def signed(value: int, bits: int) -> int:
    """The value modulo 2**bits, as a signed number."""
    wrapped = int(value) % (1 << bits)
    return wrapped - (wrapped >> (bits - 1) << bits)


def idle(rng: np.random.Generator, share: float) -> Iterator[Any]:
    """Random gaps: as many items as idle cycles."""
    while rng.random() < share:
        yield None
