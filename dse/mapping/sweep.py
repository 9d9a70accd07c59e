"""The array search: all R x C that fit, each judged by its optimal mapping.

The paper picks the array by the sum over all candidate algorithms; the objective here is the
optimum itself.  A lower bound rules most arrays out before they are solved: an array is dropped
only if another one, with no more DSPs, is already known to be faster than its bound.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dse.cost.budget import Budget, affordable, rectangles
from dse.cost.infeasible import Infeasible
from dse.cost.model import CostModel, FloatArray, IntArray
from dse.mapping.bound import lower_bound
from dse.mapping.build import CostGraph, Restriction, cost_graph
from dse.mapping.optimise import map_network
from dse.mapping.pbqp import solve
from dse.mapping.result import NetworkMapping
from dse.networks.workload import Workload

_CHUNK = 4096  # arrays per numpy call: large enough to forget Python, small enough for the cache


class Executor(Protocol):
    """Anything that maps a picklable function over chunks, in order."""

    def map(
        self, fn: Callable[[IntArray], FloatArray], chunks: Iterable[IntArray], /
    ) -> Iterable[FloatArray]: ...


@dataclass(frozen=True)
class ParetoPoint:
    """An array that no other beats in both latency and DSPs."""

    rows: int
    columns: int
    dsp: int
    cycles: float
    latency_ms: float


@dataclass(frozen=True, eq=False)
class Grid:
    """All candidates: ``arrays`` [A, 2], and per array DSPs, bound, and optimum (NaN: pruned)."""

    arrays: IntArray
    dsp: IntArray
    bound: FloatArray
    cycles: FloatArray


@dataclass(frozen=True, eq=False)
class Sweep:
    """The outcome of an array search; ``pareto`` ascends in DSPs and descends in latency."""

    best: NetworkMapping
    pareto: tuple[ParetoPoint, ...]
    grid: Grid
    budget: dict[str, int]
    seconds: float

    @property
    def candidates(self) -> int:
        """Arrays that fit the budget."""
        return len(self.grid.arrays)

    @property
    def solved(self) -> int:
        """Arrays whose optimal mapping was computed; the others were ruled out by their bound."""
        return int(np.count_nonzero(~np.isnan(self.grid.cycles)))

    def cheapest(self, latency_ms: float) -> ParetoPoint:
        """The array of fewest DSPs within a latency; Infeasible if no array is that fast."""
        for point in self.pareto:
            if point.latency_ms <= latency_ms:
                return point
        fastest = self.pareto[-1]
        raise Infeasible(
            f"{self.best.network} on {self.best.model}",
            bound="latency_ms",
            needed=fastest.latency_ms,
            available=latency_ms,
            remedy=f"{fastest.rows} x {fastest.columns} is the fastest array within {self.budget}; "
            "relax the latency or the budget",
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``; without the grid."""
        return {
            "best": self.best.to_json(),
            "pareto": [asdict(point) for point in self.pareto],
            "budget": self.budget,
            "candidates": self.candidates,
            "solved": self.solved,
            "seconds": self.seconds,
        }


def sweep(
    workload: Workload,
    model: CostModel,
    budget: Budget,
    *,
    arrays: IntArray | None = None,
    restriction: Restriction | None = None,
    executor: Executor | None = None,
    exhaustive: bool = False,
) -> Sweep:
    """The fastest array within a budget, and the Pareto set of latency against DSPs.

    Parameters
    ----------
    arrays : the candidates; by default all R x C of at most ``budget["dsp"]`` PEs.
    executor : runs the chunks; by default one thread per core.
    exhaustive : solve every candidate, as a heat map needs; otherwise prune by bounds.
    """
    start = perf_counter()
    graph = cost_graph(workload, model, restriction)
    candidates = rectangles(budget["dsp"]) if arrays is None else arrays
    candidates = affordable(model, candidates, budget)
    if executor is None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            grid = _search(graph, candidates, pool, exhaustive)
    else:
        grid = _search(graph, candidates, executor, exhaustive)
    pareto = _pareto(grid, model.clock_hz)
    if not pareto:
        _refuse(workload, candidates)
    best = map_network(
        workload, model, pareto[-1].rows, pareto[-1].columns, restriction=restriction
    )
    return Sweep(best, pareto, grid, dict(budget), perf_counter() - start)


def _search(graph: CostGraph, arrays: IntArray, executor: Executor, exhaustive: bool) -> Grid:
    dsp = graph.model.resources(arrays)["dsp"]
    bound = _chunked(partial(_bounds, graph), arrays, executor)
    cycles = np.full(len(arrays), np.nan)
    pending = np.flatnonzero(np.isfinite(bound))
    pending = pending[np.argsort(bound[pending], kind="stable")]
    if not exhaustive:
        # The front of the bounds gives a good incumbent for every number of DSPs.
        front = pending[_front(dsp[pending], bound[pending])]
        cycles[front] = _chunked(partial(_optima, graph), arrays[front], executor)
        pending = _unbeaten(np.setdiff1d(pending, front, assume_unique=True), dsp, bound, cycles)
    cycles[pending] = _chunked(partial(_optima, graph), arrays[pending], executor)
    return Grid(arrays, dsp, bound, cycles)


def _chunked(
    function: Callable[[IntArray], FloatArray], arrays: IntArray, executor: Executor
) -> FloatArray:
    chunks = [arrays[i : i + _CHUNK] for i in range(0, len(arrays), _CHUNK)]
    return np.concatenate([np.zeros(0), *executor.map(function, chunks)])


def _bounds(graph: CostGraph, arrays: IntArray) -> FloatArray:
    return lower_bound(graph.condensed(arrays))


def _optima(graph: CostGraph, arrays: IntArray) -> FloatArray:
    return solve(graph.condensed(arrays)).cost


def _front(dsp: IntArray, cycles: FloatArray) -> IntArray:
    """Indices of the Pareto front, DSPs ascending; the first of equals."""
    order = np.lexsort((cycles, dsp))
    best = np.minimum.accumulate(cycles[order])
    better = np.ones(len(order), dtype=bool)
    better[1:] = best[1:] < best[:-1]
    return order[better]


def _unbeaten(
    pending: npt.NDArray[np.intp], dsp: IntArray, bound: FloatArray, cycles: FloatArray
) -> npt.NDArray[np.intp]:
    """Those whose bound is not above the best known optimum of as many DSPs or fewer."""
    known = np.flatnonzero(np.isfinite(cycles))
    front = known[_front(dsp[known], cycles[known])]
    position = np.searchsorted(dsp[front], dsp[pending], side="right") - 1
    incumbent = np.where(position < 0, np.inf, cycles[front][position])
    return pending[bound[pending] <= incumbent]


def _pareto(grid: Grid, clock_hz: float) -> tuple[ParetoPoint, ...]:
    known = np.flatnonzero(np.isfinite(grid.cycles))
    return tuple(
        ParetoPoint(
            int(grid.arrays[i, 0]),
            int(grid.arrays[i, 1]),
            int(grid.dsp[i]),
            float(grid.cycles[i]),
            float(grid.cycles[i]) / clock_hz * 1e3,
        )
        for i in known[_front(grid.dsp[known], grid.cycles[known])]
    )


def _refuse(workload: Workload, arrays: IntArray) -> None:
    raise Infeasible(
        f"{workload.name}: none of {len(arrays):,} arrays can execute every layer",
        bound="arrays",
        needed=1,
        available=0,
        remedy="allow further algorithms or a larger budget",
    )
