"""Patches, kernels and expected values for the tests of the Winograd units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.isa.transforms import TAPS, Transform

Ints = npt.NDArray[np.int64]


def matrices(transform: Transform) -> tuple[Ints, Ints, Ints]:
    """B^T, G and A^T."""
    return (
        np.array(transform.input_matrix),
        np.array(transform.weight_matrix),
        np.array(transform.output_matrix),
    )


def extreme_patches(transform: Transform) -> list[Ints]:
    """Constant, checkered, striped, and those that reach both ends of every element of V."""
    size = transform.alpha
    checkers = np.indices((size, size)).sum(axis=0) % 2
    stripes = np.indices((size, size))[0] % 2
    patches = [np.full((size, size), value) for value in (-128, 127, 0)]
    for pattern in (checkers, 1 - checkers, stripes, stripes.T):
        patches.append(np.where(pattern, 127, -128))
    lines = np.array(transform.input_matrix)
    for i in range(size):
        for j in range(size):
            signs = np.outer(lines[i], lines[j])
            patches += [np.where(signs > 0, 127, -128), np.where(signs > 0, -128, 127)]
    return patches


def extreme_kernels(transform: Transform) -> list[Ints]:
    """Constant ones, and those that reach both ends of every element of U."""
    lines = np.array(transform.weight_matrix)
    kernels = [np.full((TAPS, TAPS), value) for value in (-128, 127)]
    for a in lines:
        for b in lines:
            negative = np.outer(a, b) < 0
            kernels += [np.where(negative, -128, 127), np.where(negative, 127, -128)]
    return kernels


def transformed(matrix: Ints, block: Ints) -> Ints:
    """``matrix block matrix^T`` over the last two axes."""
    return np.asarray(matrix @ block @ matrix.T)


def correlation(patches: Ints, kernels: Ints, size: int) -> Ints:
    """Sums over the first axis of the valid correlation of patches and kernels."""
    return np.array(
        [
            [(patches[:, y : y + TAPS, x : x + TAPS] * kernels).sum() for x in range(size)]
            for y in range(size)
        ]
    )


def signed(value: int, bits: int) -> int:
    """The value modulo 2**bits, as a signed number."""
    wrapped = int(value) % (1 << bits)
    return wrapped - (wrapped >> (bits - 1) << bits)


def idle(rng: np.random.Generator, share: float) -> Iterator[Any]:
    """Random gaps: as many items as idle cycles."""
    while rng.random() < share:
        yield None
