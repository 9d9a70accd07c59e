"""Branch and bound over families of hardware and arrays: the fronts of latency against DSPs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from dse.cost.array_budget import Budget, fits
from dse.cost.cost_model import CostModel, FloatArray, IntArray
from dse.cost.infeasible import Infeasible
from dse.mapping.bound import lower_bound
from dse.mapping.build import CostGraph, Restriction, cost_graph
from dse.mapping.front import Indices, front, layers, unbeaten
from dse.mapping.hardware import Hardware, smallest
from dse.mapping.optimise import unmappable
from dse.mapping.pbqp import solve
from dse.network.graph import Network

_FEW = 16  # arrays that are sooner done than sent elsewhere; their layers' cycles are kept
_CHUNK = 4096  # arrays per numpy call: large enough to forget Python, small enough for the cache
_BATCH, _GROWTH = 512, 4  # arrays opened in the first round, and how many more in each further one

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class Executor(Protocol):
    """Anything that maps a picklable function over items, in order."""

    def map(self, fn: Callable[[_Item], _Found], items: Iterable[_Item], /) -> Iterable[_Found]: ...


@dataclass(frozen=True, eq=False)
class SearchGrid:
    """The candidates of one family of hardware.

    Members
    -------
    arrays : [A, 2].
    dsp, bound : [A], the least of all designs of an array.
    cycles : [A], of an array's fastest design that was solved; NaN where bounds ruled all out,
        infinite where none fits or the bounds of its parts ruled them out.
    """

    hardware: Hardware
    arrays: IntArray
    dsp: IntArray
    bound: FloatArray
    cycles: FloatArray


@dataclass(frozen=True)
class SolvedDesign:
    """A solved one, of a root's candidate."""

    candidate: int
    model: CostModel
    dsp: int
    cycles: float


@dataclass(frozen=True, eq=False)
class _Open:
    """Arrays of families that are still to be looked into, [N] each."""

    hardware: npt.NDArray[np.object_]
    candidate: Indices
    dsp: IntArray
    bound: FloatArray

    def __len__(self) -> int:
        return len(self.bound)

    def __getitem__(self, index: npt.NDArray[Any]) -> _Open:
        return _Open(*(column[index] for column in vars(self).values()))

    def best(self) -> Indices:
        """Of each candidate the family of the least bound: it may rule the others out."""
        order = np.lexsort((self.dsp, self.bound, self.candidate))
        first = np.diff(self.candidate[order], prepend=-1) > 0
        found: Indices = order[first]
        return found

    def __add__(self, other: _Open) -> _Open:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Open(*(np.concatenate(pair) for pair in pairs))


class Search:
    """Branch and bound: families are opened in the order of their bounds' Pareto fronts."""

    def __init__(
        self,
        network: Network,
        restriction: Restriction | None,
        budget: Budget,
        executor: Executor,
        families: Sequence[Hardware],
        arrays: IntArray,
    ) -> None:
        self._network, self._restriction, self._budget = network, restriction, budget
        self._executor, self._families = executor, families
        self._graphs: dict[CostModel, CostGraph] = {}
        self._designs: list[SolvedDesign] = []
        possible = [
            family.possible(arrays[fits(family.bound, arrays, budget)]) for family in families
        ]
        self._arrays = np.concatenate(possible)
        ends = np.cumsum([0, *(len(kept) for kept in possible)])
        self._ranges = [np.arange(a, b) for a, b in pairwise(ends)]
        self._roots = self._bounded(dict(zip(families, self._ranges, strict=True)))
        self._opened = ~np.isfinite(self._roots.bound)

    def run(self, exhaustive: bool) -> None:
        """Open the fronts of the bounds, then those of what they leave, until nothing is left."""
        pending = self._roots[~self._opened]
        size = len(pending) if exhaustive else _BATCH
        while len(pending):
            eligible = np.arange(len(pending)) if exhaustive else pending.best()
            taken = layers(pending.dsp[eligible], pending.bound[eligible], size)
            chosen = np.zeros(len(pending), dtype=bool)
            chosen[eligible[taken]] = True
            pending = pending[~chosen] + self._open(pending[chosen])
            if not exhaustive and self._designs:
                keep = unbeaten(pending.dsp, pending.bound, *self._known())
                pending = pending[keep]
            size *= _GROWTH

    def front(self) -> tuple[SolvedDesign, ...]:
        """The best of the solved designs, DSPs ascending."""
        dsp, cycles = self._known()
        return tuple(self._designs[i] for i in front(dsp, cycles) if np.isfinite(cycles[i]))

    def fastest(self, count: int, within: float) -> tuple[SolvedDesign, ...]:
        """The fastest designs, one a candidate, within so many times the least cycles."""
        ordered = sorted(self._designs, key=lambda design: (design.cycles, design.dsp))
        best: dict[int, SolvedDesign] = {}
        for design in ordered:
            if len(best) == count or design.cycles > within * ordered[0].cycles:
                break
            best.setdefault(design.candidate, design)
        return tuple(best.values())

    def array(self, design: SolvedDesign) -> tuple[int, int]:
        """Rows and columns of a design."""
        rows, columns = self._arrays[design.candidate].tolist()
        return rows, columns

    def grids(self) -> tuple[SearchGrid, ...]:
        """The candidates of each family."""
        cycles = np.where(self._opened, np.inf, np.nan)
        for design in self._designs:
            cycles[design.candidate] = np.fmin(cycles[design.candidate], design.cycles)
        roots = self._roots
        return tuple(
            SearchGrid(family, self._arrays[own], roots.dsp[own], roots.bound[own], cycles[own])
            for family, own in zip(self._families, self._ranges, strict=True)
        )

    def refusal(self, arrays: IntArray) -> Infeasible:
        """Why there is no design at all."""
        if not np.isfinite(self._roots.bound).any() and len(self._arrays):
            return unmappable(self._graph(self._families[0].bound), self._arrays)
        return self._families[0].refusal(*smallest(arrays))

    def _known(self) -> tuple[IntArray, FloatArray]:
        dsp = np.array([design.dsp for design in self._designs], dtype=np.int64)
        return dsp, np.array([design.cycles for design in self._designs], dtype=np.float64)

    def _open(self, chosen: _Open) -> _Open:
        """Solve single designs, and bound the parts of families."""
        parts: dict[Hardware, list[int]] = {}
        for hardware, candidate in zip(chosen.hardware, chosen.candidate.tolist(), strict=True):
            self._opened[candidate] = True
            for part in hardware.parts(*self._arrays[candidate].tolist()):
                parts.setdefault(part, []).append(candidate)
        found = {part: np.array(members, dtype=np.intp) for part, members in parts.items()}
        self._solve({part: members for part, members in found.items() if part.single})
        return self._bounded({part: members for part, members in found.items() if not part.single})

    def _solve(self, groups: Mapping[Hardware, Indices]) -> None:
        costs = iter(self._costs(_optima, groups))
        for part, members in groups.items():
            arrays, model = self._arrays[members], part.bound
            within, dsp = fits(model, arrays, self._budget), model.resources(arrays)["dsp"]
            for candidate, fit, used in zip(members, within, dsp, strict=True):
                cycles = float(next(costs))
                if fit:
                    self._designs.append(SolvedDesign(int(candidate), model, int(used), cycles))

    def _bounded(self, groups: Mapping[Hardware, Indices]) -> _Open:
        dsps = [
            part.bound.resources(self._arrays[members])["dsp"] for part, members in groups.items()
        ]
        hardware = np.array([None, *groups], dtype=object)[1:]
        return _Open(
            np.repeat(hardware, [len(members) for members in groups.values()]),
            np.concatenate([np.zeros(0, dtype=np.intp), *groups.values()]),
            np.concatenate([np.zeros(0, dtype=np.int64), *dsps]),
            self._costs(_bounds, groups),
        )

    def _costs(
        self,
        function: Callable[[tuple[CostGraph, IntArray]], FloatArray],
        groups: Mapping[Hardware, Indices],
    ) -> FloatArray:
        """The function's values for the arrays of all groups, one after the other."""
        tasks = [
            (self._graph(part.bound), self._arrays[members[i : i + _CHUNK]])
            for part, members in groups.items()
            for i in range(0, len(members), _CHUNK)
        ]
        few = sum(len(arrays) for _, arrays in tasks) <= _FEW
        values = map(function, tasks) if few else self._executor.map(function, tasks)
        return np.concatenate([np.zeros(0), *values])

    def _graph(self, model: CostModel) -> CostGraph:
        if model not in self._graphs:
            self._graphs[model] = cost_graph(self._network, model, self._restriction)
        return self._graphs[model]


def _bounds(task: tuple[CostGraph, IntArray]) -> FloatArray:
    graph, arrays = task
    return _each(lower_bound(graph.condensed(arrays)), arrays)


def _optima(task: tuple[CostGraph, IntArray]) -> FloatArray:
    graph, arrays = task
    return _each(solve(graph.condensed(arrays)).cost, arrays)


def _each(costs: FloatArray, arrays: IntArray) -> FloatArray:
    """A number an array; there is but one where nothing depends on the array."""
    return np.broadcast_to(costs, len(arrays))
