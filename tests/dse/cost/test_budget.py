"""Candidate arrays and the refusal of what does not fit."""

from collections.abc import Mapping

import pytest

from dse.cost import Dynamap
from dse.cost.array_budget import fits, rectangles, refusal
from dse.cost.cost_model import IntArray, as_arrays


class WithMemory(Dynamap):
    """An array that also takes ten block RAMs a column."""

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        return {**super().resources(arrays), "bram36": 10 * arrays[:, 1]}


@pytest.mark.parametrize("limit", [0, 1, 7, 60])
def test_rectangles_are_all_pairs_below_the_limit(limit: int) -> None:
    expected = {(r, c) for r in range(1, limit + 1) for c in range(1, limit + 1) if r * c <= limit}
    found = [tuple(array) for array in rectangles(limit).tolist()]
    assert len(found) == len(expected)
    assert set(found) == expected


def test_every_resource_counts() -> None:
    arrays = rectangles(100)
    kept = arrays[fits(WithMemory(), arrays, {"dsp": 50, "bram36": 30, "lut": 0})]
    assert (kept.prod(axis=1) <= 50).all() and kept[:, 1].max() == 3
    assert kept[:, 0].max() == 50


def test_the_worst_bound_is_named_with_its_gap() -> None:
    error = refusal(WithMemory(), 10, 8, {"dsp": 79, "bram36": 20})
    assert (error.bound, error.needed, error.available) == ("bram36", 80, 20)
    assert str(error) == (
        "a 10 x 8 array of model 'dynamap': bram36 needed 80, available 20, short by 60; "
        "shrink the array to about 25% of its PEs, or choose a device with 80 bram36"
    )


def test_what_fits_is_accepted() -> None:
    assert fits(WithMemory(), as_arrays(10, 8), {"dsp": 80, "bram36": 80}).all()
