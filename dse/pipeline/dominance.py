"""Steps 6 and 7: drop candidates that another one beats in cycles, DSP and memory."""

import numpy as np

from dse.pipeline.model.cost import Candidates
from dse.pipeline.model.ram import IntArray

ROUNDS = 5
_ORDERS = ((0, 1, 2), (1, 0, 2), (2, 0, 1))  # by cycle, by DSP, by memory


def coarse_filter(candidates: Candidates) -> Candidates:
    """Step 6: five rounds of three sorts, each dropping what its left neighbour makes useless."""
    return candidates.take(coarse_indices(_triples(candidates)))


def fine_filter(candidates: Candidates) -> Candidates:
    """Step 7: the Pareto front, sorted by cycles, DSP blocks, memory blocks."""
    return candidates.take(pareto_indices(_triples(candidates)))


def coarse_indices(triples: IntArray) -> IntArray:
    """Rows of ``triples``, shape (n, 3), that survive the coarse filter.

    In each sorted order (ties broken by the two other costs) a row goes when its left neighbour is
    no worse in all three costs; of equal rows one stays. A row of the Pareto front is never
    dropped, unless an equal row remains.
    """
    kept = np.arange(len(triples))
    for _ in range(ROUNDS):
        before = len(kept)
        for order in _ORDERS:
            columns = triples[kept]
            kept = kept[np.lexsort([columns[:, axis] for axis in reversed(order)])]
            columns = triples[kept]
            useless = np.zeros(len(kept), dtype=bool)
            useless[1:] = np.all(columns[:-1] <= columns[1:], axis=1)
            kept = kept[~useless]
        if len(kept) == before:
            break
    return kept


def pareto_indices(triples: IntArray) -> IntArray:
    """Rows of ``triples``, shape (n, 3), on the Pareto front; of equal rows the first stays.

    The least row in lexicographic order is always on the front: take it, drop what it dominates,
    repeat with the rest.
    """
    left = np.lexsort((triples[:, 2], triples[:, 1], triples[:, 0]))
    front: list[int] = []
    while len(left):
        best = triples[left[0]]
        front.append(int(left[0]))
        left = left[np.any(triples[left] < best, axis=1)]
    return np.array(front, dtype=np.int64)


def _triples(candidates: Candidates) -> IntArray:
    return np.stack([candidates.cycles, candidates.dsp, candidates.ram], axis=1)
