"""The dominance filters against the definition of the Pareto front."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dse.pipeline.dominance import coarse_indices, pareto_indices

# Few values, so that ties and equal rows are common.
ROWS = st.lists(st.tuples(*[st.integers(1, 6)] * 3), max_size=60)


def _front(rows: list[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Rows which no other row beats: no worse in all three costs and better in one."""
    return {
        row
        for row in rows
        if not any(
            other != row and all(a <= b for a, b in zip(other, row, strict=True)) for other in rows
        )
    }


def _array(rows: list[tuple[int, ...]]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


@settings(deadline=None)
@given(ROWS)
@example([])
@example([(1, 1, 1)] * 3)
def test_fine_filter_keeps_exactly_the_pareto_front(rows: list[tuple[int, ...]]) -> None:
    kept = [rows[index] for index in pareto_indices(_array(rows))]
    assert len(kept) == len(set(kept))
    assert set(kept) == _front(rows)


@settings(deadline=None)
@given(ROWS)
@example([])
def test_coarse_filter_drops_no_front_row(rows: list[tuple[int, ...]]) -> None:
    kept = [rows[index] for index in coarse_indices(_array(rows))]
    assert _front(rows) <= set(kept) <= set(rows)


@settings(deadline=None)
@given(ROWS)
def test_fine_after_coarse_is_fine(rows: list[tuple[int, ...]]) -> None:
    triples = _array(rows)
    coarse = triples[coarse_indices(triples)]
    both = {tuple(row) for row in coarse[pareto_indices(coarse)].tolist()}
    assert both == _front(rows)


def test_coarse_filter_removes_most_of_a_random_cloud() -> None:
    cloud = np.random.default_rng(0).integers(1, 1000, size=(5000, 3))
    assert len(coarse_indices(cloud)) < 500


def test_front_is_sorted_by_cycles() -> None:
    cloud = np.random.default_rng(1).integers(1, 100, size=(300, 3))
    front = cloud[pareto_indices(cloud)]
    assert front[:, 0].tolist() == sorted(front[:, 0].tolist())
