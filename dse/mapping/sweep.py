"""The array search: all R x C that fit, each judged by its optimal mapping.

The paper picks the array by the sum over all candidate algorithms; the objective here is the
optimum itself.  A lower bound rules most arrays out before they are solved: an array is dropped
only if another one, with no more DSPs, is already known to be faster than its bound.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from dse.cost.array_budget import Budget, rectangles
from dse.cost.cost_model import CostModel, IntArray
from dse.cost.infeasible import Infeasible
from dse.mapping.branch import Executor, Search, SearchGrid, SolvedDesign
from dse.mapping.build import Restriction
from dse.mapping.hardware import Hardware, Single
from dse.mapping.optimise import map_network
from dse.mapping.result import NetworkMapping
from dse.network.graph import Network
from dse.process import interrupt

RUNNERS, NEAR = 8, 1.05  # designs that are kept beside the fastest, and how slow they may be


@dataclass(frozen=True)
class ParetoPoint:
    """A design that no other beats in both latency and DSPs; ``model`` knows all but R x C."""

    rows: int
    columns: int
    dsp: int
    cycles: float
    latency_ms: float
    model: CostModel

    @property
    def design(self) -> tuple[int, int, CostModel]:
        """The hardware: rows, columns and all the rest."""
        return self.rows, self.columns, self.model


@dataclass(frozen=True, eq=False)
class Sweep:
    """The outcome of an array search.

    ``pareto`` ascends in DSPs and descends in latency; ``fastest`` holds the best designs of up to
    ``RUNNERS`` arrays within ``NEAR`` times the least latency, the fastest first, of those that the
    bounds did not rule out.
    """

    best: NetworkMapping
    pareto: tuple[ParetoPoint, ...]
    fastest: tuple[ParetoPoint, ...]
    grids: tuple[SearchGrid, ...]
    budget: dict[str, int]
    seconds: float

    @property
    def candidates(self) -> int:
        """Arrays that may fit the budget, of all families."""
        return sum(len(grid.arrays) for grid in self.grids)

    @property
    def solved(self) -> int:
        """Arrays whose optimal mapping was computed; the others were ruled out by their bound."""
        return sum(int(np.count_nonzero(~np.isnan(grid.cycles))) for grid in self.grids)

    def cheapest(self, latency_ms: float) -> ParetoPoint:
        """The design of fewest DSPs within a latency; Infeasible if none is that fast."""
        for point in self.pareto:
            if point.latency_ms <= latency_ms:
                return point
        raise self.too_slow(self.pareto[-1], latency_ms)

    def too_slow(self, fastest: ParetoPoint, latency_ms: float) -> Infeasible:
        """What to say if even the fastest design takes longer than that."""
        return Infeasible(
            f"{self.best.network} on {self.best.model}",
            bound="latency_ms",
            needed=fastest.latency_ms,
            available=latency_ms,
            remedy=f"{fastest.rows} x {fastest.columns} is the fastest array within {self.budget}; "
            "relax the latency or the budget",
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``; without the grids."""
        points = [{**vars(point)} for point in self.pareto]
        return {
            "best": self.best.to_json(),
            "pareto": [{k: v for k, v in point.items() if k != "model"} for point in points],
            "budget": self.budget,
            "candidates": self.candidates,
            "solved": self.solved,
            "seconds": self.seconds,
        }


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """A process per core: numpy calls as short as these leave threads waiting for each other."""
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(os.cpu_count(), context, initializer=interrupt.ignored)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def sweep(
    network: Network,
    hardware: CostModel | Sequence[Hardware],
    budget: Budget,
    *,
    arrays: IntArray | None = None,
    restriction: Restriction | None = None,
    executor: Executor | None = None,
    exhaustive: bool = False,
) -> Sweep:
    """The fastest design within a budget, and the Pareto set of latency against DSPs.

    Parameters
    ----------
    hardware : families of designs, or the cost model of the only one.
    arrays : the candidates; by default all R x C of at most ``budget["dsp"]`` PEs.
    executor : runs the numpy calls; by default one process per core.
    exhaustive : solve every candidate; otherwise prune by bounds.
    """
    start = perf_counter()
    families = hardware if isinstance(hardware, Sequence) else (Single(hardware, budget),)
    candidates = rectangles(budget["dsp"]) if arrays is None else arrays
    if not len(candidates):
        _refuse_nothing(budget)
    with processes() as pool:
        search = Search(network, restriction, budget, executor or pool, families, candidates)
        search.run(exhaustive)
    pareto = tuple(_point(search, design) for design in search.front())
    if not pareto:
        raise search.refusal(candidates)
    fastest = pareto[-1]
    best = map_network(
        network, fastest.model, fastest.rows, fastest.columns, restriction=restriction
    )
    runners = tuple(_point(search, design) for design in search.fastest(RUNNERS, NEAR))
    return Sweep(best, pareto, runners, search.grids(), dict(budget), perf_counter() - start)


def _point(search: Search, design: SolvedDesign) -> ParetoPoint:
    latency_ms = design.cycles / design.model.clock_hz * 1e3
    return ParetoPoint(*search.array(design), design.dsp, design.cycles, latency_ms, design.model)


def _refuse_nothing(budget: Budget) -> None:
    raise Infeasible(
        "no array to choose from",
        bound="dsp",
        needed=1,
        available=budget.get("dsp", 0),
        remedy="allow at least one DSP",
    )
