"""The published search: nine steps from the workload shares to the least slowest stage."""

from dataclasses import dataclass
from math import prod
from time import perf_counter

import numpy as np

from dse.pipeline.chip_budget import Budget, impossible, least_blocks, plan_candidates, within
from dse.pipeline.descent import descend, fastest
from dse.pipeline.design import Design, build
from dse.pipeline.dominance import coarse_filter, fine_filter
from dse.pipeline.model.cost import Candidates, StageModel
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain
from dse.pipeline.model.parallelism import full_product
from dse.pipeline.model.plan import plans
from dse.pipeline.model.search_error import WindowError
from dse.pipeline.windows import (
    Windows,
    baseline_cycles,
    dsp_allocation,
    in_windows,
    workload_shares,
)

WIDENINGS = 4
WIDENING_FACTOR = 1.5


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Candidates of each stage before and after the steps.

    Parameters
    ----------
    product : tuple of int
        Every para_in, para_out and run of a stage.
    knees : tuple of int
        Those of step 4: for each cycle count the least parallelisms.
    windows, coarse, fine : tuple of int
        After steps 5, 6 and 7.
    """

    product: tuple[int, ...]
    knees: tuple[int, ...]
    windows: tuple[int, ...]
    coarse: tuple[int, ...]
    fine: tuple[int, ...]

    @property
    def compression_percent(self) -> float:
        """Share of the combinations of candidates in the windows that the filters remove."""
        return 100 * (1 - prod(self.fine) / prod(self.windows))


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """Result of the nine steps.

    Parameters
    ----------
    design : Design
        The best design among the candidates in the windows.
    windows : Windows
        The windows in which it was found.
    counts : Counts
        Candidates before and after each step.
    nodes : int
        Candidates which the depth-first search looked at.
    seconds : float
        Wall-clock time of all nine steps.
    """

    design: Design
    windows: Windows
    counts: Counts
    nodes: int
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Steps:
    """Candidates of every stage after steps 4 to 7."""

    knees: list[Candidates]
    windows: list[Candidates]
    coarse: list[Candidates]
    fine: list[Candidates]


def search_filtered(
    network: Chain,
    device: Device,
    model: StageModel,
    budget: Budget,
    *,
    windows: Windows | None = None,
) -> Filtered:
    """Run the nine steps with the first plan, in the order of `plans`, that holds a design.

    Parameters
    ----------
    windows : Windows or None
        Windows of step 5. None starts with the default and widens both by half, up to
        `WIDENINGS` times, while they hold no design.

    Raises
    ------
    BudgetError
        When not even the cheapest candidate of every stage fits.
    WindowError
        When the windows hold no design.
    """
    start = perf_counter()
    choices = plans(network)
    tables = plan_candidates(network, choices, model)
    possible = [
        (plan, table)
        for plan, table in zip(choices, tables, strict=True)
        if within(least_blocks(table), budget)
    ]
    if not possible:
        raise impossible(network, model, tables, budget)
    for attempt in _attempts(windows):
        for plan, table in possible:
            steps = _filter(network, table, attempt, budget, products=model.pairing.products)
            descent = descend(steps.fine, budget)
            chosen = fastest(descent)
            if chosen is None:
                continue
            choice = [
                stage.take(np.array([index]))
                for stage, index in zip(steps.fine, chosen, strict=True)
            ]
            return Filtered(
                design=build(network, device, model, plan, choice),
                windows=attempt,
                counts=_counts(network, model, steps),
                nodes=descent.nodes,
                seconds=perf_counter() - start,
            )
    raise WindowError(
        f"network {network.name}: no design on {device.name} within alpha {attempt.alpha:g} and "
        f"beta {attempt.beta:g}; widen them (--alpha, --beta) or use --method exact"
    )


def _attempts(windows: Windows | None) -> list[Windows]:
    if windows is not None:
        return [windows]
    return [Windows().widened(WIDENING_FACTOR**count) for count in range(WIDENINGS + 1)]


def _filter(
    network: Chain, table: list[Candidates], windows: Windows, budget: Budget, *, products: int
) -> _Steps:
    """Steps 1 to 7; after an empty window the later lists are empty as well."""
    baseline = baseline_cycles(network, budget.dsp * products)
    allocations = dsp_allocation(workload_shares(network), budget.dsp)
    inside = [
        in_windows(stage, baseline=baseline, allocation=allocation, windows=windows)
        for stage, allocation in zip(table, allocations, strict=True)
    ]
    coarse = [coarse_filter(stage) for stage in inside]
    return _Steps(
        knees=table, windows=inside, coarse=coarse, fine=[fine_filter(stage) for stage in coarse]
    )


def _counts(network: Chain, model: StageModel, steps: _Steps) -> Counts:
    def sizes(stages: list[Candidates]) -> tuple[int, ...]:
        return tuple(len(stage) for stage in stages)

    return Counts(
        product=tuple(full_product(stage, model.granule) for stage in network.stages),
        knees=sizes(steps.knees),
        windows=sizes(steps.windows),
        coarse=sizes(steps.coarse),
        fine=sizes(steps.fine),
    )
