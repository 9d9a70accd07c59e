"""Pruned search and knapsack against brute force over every combination."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dse.pipeline import Budget, BudgetError
from dse.pipeline.descent import descend, fastest
from dse.pipeline.exact import least_period
from dse.pipeline.knapsack import affordable, fits, pick
from dse.pipeline.model.cost import Candidates

ROW = st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 7))
STAGES = st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=4)
BUDGETS = st.builds(Budget, dsp=st.integers(1, 24), ram=st.integers(1, 24))

Rows = list[list[tuple[int, int, int]]]
Make = Callable[[np.ndarray], Candidates]


def _brute_force(stages: Rows, budget: Budget) -> int | None:
    periods = [
        max(row[0] for row in rows)
        for rows in product(*stages)
        if sum(row[1] for row in rows) <= budget.dsp and sum(row[2] for row in rows) <= budget.ram
    ]
    return min(periods, default=None)


@settings(deadline=None)
@given(stages=STAGES, budget=BUDGETS)
@example(  # found in steps of one cycle: first 9, then 8
    stages=[[(1, 3, 1), (8, 1, 1)], [(9, 1, 1), (8, 3, 1)]], budget=Budget(dsp=4, ram=9)
)
def test_pruning_never_changes_the_optimum(
    make_candidates: Make, stages: Rows, budget: Budget
) -> None:
    found = descend([make_candidates(np.array(rows)) for rows in stages], budget)
    chosen = fastest(found)
    optimum = _brute_force(stages, budget)
    if optimum is None:
        assert chosen is None
        return
    assert chosen is not None
    rows = [stage[index] for stage, index in zip(stages, chosen, strict=True)]
    assert max(row[0] for row in rows) == optimum
    assert sum(row[1] for row in rows) <= budget.dsp
    assert sum(row[2] for row in rows) <= budget.ram
    periods = [period for period, _ in found.designs]
    assert periods == sorted(set(periods), reverse=True)


def test_pruning_prunes(make_candidates: Make) -> None:
    rng = np.random.default_rng(2)
    stages = [make_candidates(rng.integers(1, 200, size=(20, 3))) for _ in range(4)]
    assert descend(stages, Budget(dsp=300, ram=300)).nodes < 20**4 / 100


@settings(deadline=None)
@given(stages=STAGES, budget=BUDGETS)
def test_exact_period_is_the_optimum(make_candidates: Make, stages: Rows, budget: Budget) -> None:
    ready = [affordable(make_candidates(np.array(rows)), budget) for rows in stages]
    assert least_period(ready, budget) == _brute_force(stages, budget)


@settings(deadline=None)
@given(stages=STAGES, budget=BUDGETS, period=st.integers(1, 9))
@example(  # more DSP would save memory that nobody needs
    stages=[[(1, 1, 5), (1, 3, 2)], [(1, 2, 4), (1, 4, 1)]],
    budget=Budget(dsp=10, ram=10),
    period=1,
)
def test_pick_takes_the_fewest_dsp(
    make_candidates: Make, stages: Rows, budget: Budget, period: int
) -> None:
    ready = [affordable(make_candidates(np.array(rows)), budget) for rows in stages]
    possible = [
        sum(row[1] for row in rows)
        for rows in product(*stages)
        if max(row[0] for row in rows) <= period
        and sum(row[1] for row in rows) <= budget.dsp
        and sum(row[2] for row in rows) <= budget.ram
    ]
    assert fits(ready, period, budget) == bool(possible)
    if not possible:
        with pytest.raises(ValueError, match="fits the budget"):
            pick(ready, period, budget)
        return
    chosen = pick(ready, period, budget)
    taken = [stage.take(np.array([index])) for stage, index in zip(ready, chosen, strict=True)]
    assert sum(int(stage.dsp[0]) for stage in taken) == min(possible)
    assert sum(int(stage.ram[0]) for stage in taken) <= budget.ram
    assert max(int(stage.cycles[0]) for stage in taken) <= period


@pytest.mark.parametrize("field", ["dsp", "ram"])
def test_empty_budget(field: str) -> None:
    with pytest.raises(BudgetError, match=f"the {field} budget must be 1 block or more, not 0"):
        Budget(**{"dsp": 1, "ram": 1, field: 0})
