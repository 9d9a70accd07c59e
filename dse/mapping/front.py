"""Pareto fronts of latency against DSPs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.cost.cost_model import FloatArray, IntArray

Indices = npt.NDArray[np.intp]


def front(dsp: IntArray, cycles: FloatArray) -> Indices:
    """Indices of the Pareto front, DSPs ascending; the first of equals."""
    order = np.lexsort((cycles, dsp))
    best = np.minimum.accumulate(cycles[order])
    better = np.ones(len(order), dtype=bool)
    better[1:] = best[1:] < best[:-1]
    return order[better]


def unbeaten(
    dsp: IntArray, cycles: FloatArray, known_dsp: IntArray, known_cycles: FloatArray
) -> npt.NDArray[np.bool_]:
    """[N]: whether nothing known of as many DSPs or fewer takes as few cycles."""
    best = front(known_dsp, known_cycles)
    position = np.searchsorted(known_dsp[best], dsp, side="right") - 1
    least = np.append(known_cycles[best], np.inf)[position]  # the last one: none known
    better: npt.NDArray[np.bool_] = cycles < least
    return better


def layers(dsp: IntArray, cycles: FloatArray, least: int) -> Indices:
    """Indices of the front, of the front of what is left, and so on, until there are ``least``."""
    rest = np.arange(len(dsp))
    taken: list[Indices] = []
    while len(rest) and sum(map(len, taken)) < least:
        taken.append(rest[front(dsp[rest], cycles[rest])])
        rest = np.setdiff1d(rest, taken[-1], assume_unique=True)
    return np.concatenate([np.zeros(0, dtype=np.intp), *taken])
