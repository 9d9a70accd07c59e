"""Which arrays a device has room for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dse.cost.infeasible import Infeasible
from dse.cost.model import CostModel, IntArray, as_arrays

Budget = Mapping[str, int]
"""Resource name (``dsp``, ``bram36``, ...) -> how many the device has."""


def rectangles(limit: int) -> IntArray:
    """[A, 2]: all R x C with R C <= limit."""
    rows = np.arange(1, max(limit, 0) + 1)
    widest = limit // rows
    first = np.cumsum(widest) - widest
    columns = np.arange(int(widest.sum())) - np.repeat(first, widest) + 1
    return np.stack([np.repeat(rows, widest), columns], axis=1).astype(np.int64)


def affordable(model: CostModel, arrays: IntArray, budget: Budget) -> IntArray:
    """The arrays that fit; Infeasible if none does."""
    if not len(arrays):
        raise Infeasible(
            "no array to choose from",
            bound="dsp",
            needed=1,
            available=budget.get("dsp", 0),
            remedy="allow at least one DSP",
        )
    used = model.resources(arrays)
    fits = np.ones(len(arrays), dtype=bool)
    for name, limit in budget.items():
        if name in used:
            fits &= used[name] <= limit
    if not fits.any():
        rows, columns = (int(n) for n in arrays[int(np.argmin(used["dsp"]))])
        require(model, rows, columns, budget)
    return arrays[fits]


def require(model: CostModel, rows: int, columns: int, budget: Budget) -> None:
    """Raise Infeasible, naming the worst bound, if the array does not fit."""
    used = {name: int(n[0]) for name, n in model.resources(as_arrays(rows, columns)).items()}
    over = {name: used[name] / max(limit, 1) for name, limit in budget.items() if name in used}
    worst = max(over, key=lambda name: over[name], default=None)
    if worst is None or used[worst] <= budget[worst]:
        return
    raise Infeasible(
        f"a {rows} x {columns} array of model {model.name!r}",
        bound=worst,
        needed=used[worst],
        available=budget[worst],
        remedy=f"shrink the array to about {budget[worst] / used[worst]:.0%} of its PEs, "
        f"or choose a device with {used[worst]:,} {worst}",
    )
