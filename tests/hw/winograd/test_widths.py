"""One bit less in any step of the output transform, and a full-range result comes out wrong."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from hw.isa.transforms import Transform, signed_bits
from hw.winograd import output_transform
from tests.hw.winograd.test_output_transform import Tile, expected, run, tile, unit
from tests.hw.winograd.vectors import TRANSFORMS, kernel_shape, patch_shape


def full_range(transform: Transform) -> tuple[list[Tile], int]:
    """Tiles with the least and the greatest results of 7 channels and others, and the bits of all.

    Constant tiles alone do not show the first steps' bit: its loss cancels.
    """
    rng = np.random.default_rng(1)
    patch = np.full((7, *patch_shape(transform)), -128)
    kernel = (7, *kernel_shape(transform))
    found = [tile(0, transform, patch, np.full(kernel, weight)) for weight in (127, -128)]
    for _ in range(20):
        ends = rng.choice([-128, 127], patch.shape), rng.choice([-128, 127], kernel)
        found.append(tile(0, transform, *ends))
    return found, signed_bits(*(int(value) for _, _, pixels in found for value in pixels.flat))


def right(transform: Transform) -> bool:
    tiles, bits = full_range(transform)
    dut = unit((transform,), bits)
    ends, results = run(dut, (transform,), tiles, np.random.default_rng(1), 0.0, 0)
    return results == expected((transform,), tiles, ends)


right_with_all_bits = cache(right)


def narrowed(patch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """The number-th instance of a component gets a bit less."""
    component = getattr(output_transform, name)
    made = []

    def make(*, bits: int, **others: Any) -> Any:
        made.append(name)
        return component(bits=bits - (len(made) == number), **others)

    patch.setattr(output_transform, name, make)


@pytest.mark.parametrize(
    ("transform", "name", "number"),
    [
        *((t, *step) for t in TRANSFORMS for step in (("Scatter", 1), ("Transpose", 1))),
        *((t, "Scatter", 2) for t in TRANSFORMS),
        *((t, "ExactDivision", 1) for t in TRANSFORMS if t.divides),
    ],
    ids=lambda value: value.name if isinstance(value, Transform) else str(value),
)
def test_one_bit_less_fails(
    transform: Transform, name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert right_with_all_bits(transform)
    narrowed(monkeypatch, name, number)
    assert not right(transform)
