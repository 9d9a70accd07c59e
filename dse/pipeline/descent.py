"""Steps 8 and 9: depth-first search over the stages with pruning."""

from dataclasses import dataclass

import numpy as np

from dse.pipeline.chip_budget import Budget
from dse.pipeline.knapsack import affordable, least_ram, period_front
from dse.pipeline.model.cost import Candidates
from dse.pipeline.model.ram import IntArray


@dataclass(frozen=True, kw_only=True)
class Descent:
    """What the depth-first search found.

    Parameters
    ----------
    designs : tuple of (slowest cycles, candidate index per stage)
        Every design that was better than all before it.
    nodes : int
        Candidates looked at.
    """

    designs: tuple[tuple[int, tuple[int, ...]], ...]
    nodes: int


def descend(stages: list[Candidates], budget: Budget) -> Descent:
    """Step 8: all combinations of one candidate per stage, less those which cannot win.

    A branch is cut when the cycles of a stage are no less than the best design's, or when its DSP
    and memory blocks overrun the budget. The published rule counts the stages chosen so far; ours
    adds the least that the remaining stages take, which cuts the same branches earlier.
    """
    return _Search(stages, budget).run()


def fastest(descent: Descent) -> tuple[int, ...] | None:
    """Step 9: the candidates of the design with the least slowest stage, None without a design."""
    if not descent.designs:
        return None
    return min(descent.designs)[1]


class _Search:
    """State of one depth-first search; candidates are visited by rising cycles.

    ``_rest[depth][d]`` is the least memory of the stages from ``depth`` on within d DSP blocks,
    among candidates faster than the best design; it is renewed with every better design.
    """

    def __init__(self, stages: list[Candidates], budget: Budget) -> None:
        self._orders = [np.lexsort((stage.ram, stage.dsp, stage.cycles)) for stage in stages]
        self._rows = [
            list(
                zip(
                    stage.cycles[order].tolist(),
                    stage.dsp[order].tolist(),
                    stage.ram[order].tolist(),
                    strict=True,
                )
            )
            for stage, order in zip(stages, self._orders, strict=True)
        ]
        self._affordable = [affordable(stage, budget) for stage in stages]
        self._budget = budget
        self._best: int | None = None
        self._designs: list[tuple[int, tuple[int, ...]]] = []
        self._nodes = 0
        self._rest = self._tables()

    def run(self) -> Descent:
        self._visit(0, self._budget.dsp, self._budget.ram, 0, ())
        return Descent(designs=tuple(self._designs), nodes=self._nodes)

    def _tables(self) -> list[IntArray]:
        fronts = [
            stage.take(
                np.arange(len(stage)) if self._best is None else period_front(stage, self._best - 1)
            )
            for stage in self._affordable
        ]
        return least_ram(fronts[::-1], self._budget.dsp)[::-1]

    def _visit(self, depth: int, dsp: int, ram: int, slowest: int, chosen: tuple[int, ...]) -> None:
        if depth == len(self._rows):
            self._best = slowest
            self._designs.append((slowest, chosen))
            self._rest = self._tables()
            return
        for index, (cycles, dsp_used, ram_used) in enumerate(self._rows[depth]):
            if self._best is not None and max(cycles, slowest) >= self._best:
                return
            self._nodes += 1
            if dsp_used <= dsp and self._rest[depth + 1][dsp - dsp_used] <= ram - ram_used:
                self._visit(
                    depth + 1,
                    dsp - dsp_used,
                    ram - ram_used,
                    max(slowest, cycles),
                    (*chosen, int(self._orders[depth][index])),
                )
