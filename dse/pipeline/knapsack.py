"""One candidate per stage within two budgets and a period: a multiple-choice knapsack.

Dynamic programming over DSP blocks: ``table[d]`` is the least memory of the stages so far when they
take at most d DSP blocks. It is exhaustive, so "does not fit" is a proof.
"""

from itertools import accumulate

import numpy as np

from dse.pipeline.chip_budget import Budget
from dse.pipeline.model.cost import Candidates
from dse.pipeline.model.ram import IntArray

_TOO_MUCH = np.int64(2**40)


def affordable(candidates: Candidates, budget: Budget) -> Candidates:
    """The candidates that fit the budget alone, sorted by DSP and memory for `period_front`."""
    fit = np.flatnonzero((candidates.dsp <= budget.dsp) & (candidates.ram <= budget.ram))
    order = fit[np.lexsort((candidates.ram[fit], candidates.dsp[fit]))]
    return candidates.take(order)


def period_front(stage: Candidates, period: int) -> IntArray:
    """Indices of the candidates of at most ``period`` cycles that are Pareto-optimal in DSP and
    memory, by rising DSP; ``stage`` comes from `affordable`."""
    fast = np.flatnonzero(stage.cycles <= period)
    ram = stage.ram[fast]
    falls = np.ones(len(fast), dtype=bool)
    falls[1:] = ram[1:] < np.minimum.accumulate(ram)[:-1]
    return fast[falls]


def fits(stages: list[Candidates], period: int, budget: Budget) -> bool:
    """Whether some design of at most ``period`` cycles fits the budget."""
    fronts = [stage.take(period_front(stage, period)) for stage in stages]
    if _hopeless(fronts, budget):
        return False
    return bool(least_ram(fronts, budget.dsp)[-1][-1] <= budget.ram)


def pick(stages: list[Candidates], period: int, budget: Budget) -> list[int]:
    """One candidate index per stage, of a design with the fewest DSP blocks that fits.

    Raises
    ------
    ValueError
        When no design fits; ask `fits` before.
    """
    indices = [period_front(stage, period) for stage in stages]
    fronts = [stage.take(index) for stage, index in zip(stages, indices, strict=True)]
    if _hopeless(fronts, budget):
        raise ValueError(f"no design of {period} cycles fits the budget")
    tables = least_ram(fronts, budget.dsp)
    enough = np.flatnonzero(tables[-1] <= budget.ram)
    if not len(enough):
        raise ValueError(f"no design of {period} cycles fits the budget")
    left = int(enough[0])
    chosen: list[int] = []
    for front, before, after in reversed(list(zip(fronts, tables, tables[1:], strict=False))):
        reach = np.flatnonzero(front.dsp <= left)
        ram = before[left - front.dsp[reach]] + front.ram[reach]
        position = int(reach[np.flatnonzero(ram == after[left])[0]])
        chosen.append(position)
        left -= int(front.dsp[position])
    chosen.reverse()
    return [int(index[position]) for index, position in zip(indices, chosen, strict=True)]


def _hopeless(fronts: list[Candidates], budget: Budget) -> bool:
    """Whether the budget fails before both resources are looked at together."""
    if any(len(front) == 0 for front in fronts):
        return True
    dsp = sum(int(front.dsp[0]) for front in fronts)
    ram = sum(int(front.ram[-1]) for front in fronts)
    return dsp > budget.dsp or ram > budget.ram


def least_ram(fronts: list[Candidates], dsp: int) -> list[IntArray]:
    """Tables of shape (dsp + 1,) before the first stage, after it, and so on to the last."""
    return list(accumulate(fronts, _add_stage, initial=np.zeros(dsp + 1, dtype=np.int64)))


def _add_stage(table: IntArray, front: Candidates) -> IntArray:
    result = np.full_like(table, _TOO_MUCH)
    for dsp, ram in zip(front.dsp.tolist(), front.ram.tolist(), strict=True):
        np.minimum(result[dsp:], table[: len(table) - dsp] + ram, out=result[dsp:])
    return result
