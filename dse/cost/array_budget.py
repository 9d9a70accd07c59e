"""Which arrays a device has room for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dse.cost.cost_model import CostModel, IntArray, as_arrays
from dse.cost.infeasible import Infeasible

Budget = Mapping[str, int]
"""Resource name (``dsp``, ``bram36``, ...) -> how many the device has."""


def rectangles(limit: int) -> IntArray:
    """[A, 2]: all R x C with R C <= limit."""
    rows = np.arange(1, max(limit, 0) + 1)
    widest = limit // rows
    first = np.cumsum(widest) - widest
    columns = np.arange(int(widest.sum())) - np.repeat(first, widest) + 1
    return np.stack([np.repeat(rows, widest), columns], axis=1).astype(np.int64)


def fits(model: CostModel, arrays: IntArray, budget: Budget) -> npt.NDArray[np.bool_]:
    """[A]: whether an array takes no more of anything than there is."""
    used = model.resources(arrays)
    within = np.ones(len(arrays), dtype=bool)
    for name, limit in budget.items():
        if name in used:
            within &= used[name] <= limit
    return within


def refusal(model: CostModel, rows: int, columns: int, budget: Budget) -> Infeasible:
    """The refusal of an array that does not fit; it names the worst bound."""
    used = {name: int(n[0]) for name, n in model.resources(as_arrays(rows, columns)).items()}
    over = {name: used[name] / max(limit, 1) for name, limit in budget.items() if name in used}
    worst = max(over, key=lambda name: over[name])
    return Infeasible(
        f"a {rows} x {columns} array of model {model.name!r}",
        bound=worst,
        needed=used[worst],
        available=budget[worst],
        remedy=f"shrink the array to about {budget[worst] / used[worst]:.0%} of its PEs, "
        f"or choose a device with {used[worst]:,} {worst}",
    )
