"""Exact search without windows: the least slowest stage over all candidates, with its proof.

For a period T every stage may use its candidates of at most T cycles; whether one per stage fits
the budget is decided exactly (`knapsack`). The optimum is found by bisection over the cycle counts
that occur. That the next smaller one fits with no plan is the proof.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from time import perf_counter

import numpy as np

from dse.pipeline.chip_budget import UNLIMITED, Budget, impossible, plan_candidates
from dse.pipeline.design import Design, build
from dse.pipeline.knapsack import affordable, fits, pick
from dse.pipeline.model.cost import Candidates, StageModel
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain
from dse.pipeline.model.plan import plans
from dse.pipeline.model.ram import IntArray

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Exact:
    """Result of the exact search.

    Parameters
    ----------
    design : Design
        An optimum; of the designs with its plan and period, one with the fewest DSP blocks.
    lower_bound : int
        Cycles which no design of any plan undercuts.
    dsp_bound : int
        Cycles which no design undercuts even with unlimited memory.
    plans : int
        Plans that the proof covers.
    seconds : float
        Wall-clock time.
    """

    design: Design
    lower_bound: int
    dsp_bound: int
    plans: int
    seconds: float

    @property
    def proved(self) -> bool:
        """Whether the design meets the lower bound."""
        return self.design.cycles == self.lower_bound


def search_exact(
    network: Chain,
    device: Device,
    model: StageModel,
    budget: Budget,
    *,
    progress: Progress = lambda _: None,
) -> Exact:
    """The fastest design of a network within a budget, over all plans and all candidates.

    Parameters
    ----------
    progress : callable
        Called with a short text before each step of the search.

    Raises
    ------
    BudgetError
        When no design fits.
    """
    start = perf_counter()
    choices = plans(network)
    progress("candidates")
    everything = plan_candidates(network, choices, model)
    afford = lru_cache(maxsize=None)(partial(affordable, budget=budget))
    tables = [[afford(stage) for stage in table] for table in everything]
    progress("bound without memory limit")
    free = Budget(dsp=budget.dsp, ram=UNLIMITED)
    dsp_bound = least_period([affordable(stage, free) for stage in everything[0]], free)
    best: tuple[int, int] | None = None
    for index, table in enumerate(tables):
        if best is not None and best[0] == dsp_bound:
            break
        progress(f"plan {index + 1} of {len(tables)}")
        period = least_period(table, budget, below=None if best is None else best[0])
        best = best if period is None else (period, index)
    if best is None or dsp_bound is None:
        raise impossible(network, model, everything, budget)
    progress("proof")
    period, index = best
    chosen = pick(tables[index], period, budget)
    choice = [stage.take(np.array([i])) for stage, i in zip(tables[index], chosen, strict=True)]
    return Exact(
        design=build(network, device, model, choices[index], choice),
        lower_bound=_lower_bound(tables, period, budget),
        dsp_bound=dsp_bound,
        plans=len(choices),
        seconds=perf_counter() - start,
    )


def least_period(
    stages: list[Candidates], budget: Budget, *, below: int | None = None
) -> int | None:
    """The least period of a design within the budget, None when there is none (under ``below``).

    ``stages`` come from `knapsack.affordable`.
    """
    if any(len(stage) == 0 for stage in stages):
        return None
    periods = _periods(stages)
    if below is not None:
        periods = periods[periods < below]
    if len(periods) == 0 or not fits(stages, int(periods[-1]), budget):
        return None
    low, high = 0, len(periods) - 1
    while low < high:
        middle = (low + high) // 2
        if fits(stages, int(periods[middle]), budget):
            high = middle
        else:
            low = middle + 1
    return int(periods[low])


def _periods(stages: list[Candidates]) -> IntArray:
    """Every cycle count that the slowest stage of a design can have, rising."""
    least = max(int(stage.cycles.min()) for stage in stages)
    cycles = np.unique(np.concatenate([stage.cycles for stage in stages]))
    return cycles[cycles >= least]


def _lower_bound(tables: list[list[Candidates]], period: int, budget: Budget) -> int:
    """``period`` when no plan has a design that beats it, otherwise the period of one that does."""
    better = (
        least_period(table, budget, below=period)
        for table in tables
        if all(len(stage) for stage in table)
    )
    return min((value for value in better if value is not None), default=period)
