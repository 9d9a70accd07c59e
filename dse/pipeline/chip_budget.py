"""The blocks a search may use, and the message when nothing fits them."""

from dataclasses import dataclass
from functools import lru_cache, partial

from dse.pipeline.model.cost import Candidates, StageModel, candidates
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain
from dse.pipeline.model.plan import Plan
from dse.pipeline.model.search_error import BudgetError

UNLIMITED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Budget:
    """DSP blocks and memory blocks that all stages together may use."""

    dsp: int
    ram: int

    def __post_init__(self) -> None:
        for field in ("dsp", "ram"):
            value = getattr(self, field)
            if value < 1:
                raise BudgetError(f"the {field} budget must be 1 block or more, not {value!r}")


def device_budget(device: Device, *, ram_limit: bool = True) -> Budget:
    """Everything on the chip; without ``ram_limit`` as much memory as one likes."""
    return Budget(dsp=device.dsp, ram=device.ram_blocks if ram_limit else UNLIMITED)


def plan_candidates(network: Chain, plans: list[Plan], model: StageModel) -> list[list[Candidates]]:
    """Step 4 for every stage of every plan; what two plans share is computed once."""
    cost = lru_cache(maxsize=None)(partial(candidates, model=model))
    return [
        [cost(stage, scheme) for stage, scheme in zip(network.stages, plan, strict=True)]
        for plan in plans
    ]


def least_blocks(stages: list[Candidates]) -> Budget:
    """The least DSP and the least memory that the stages take, each for itself."""
    return Budget(
        dsp=sum(int(stage.dsp.min()) for stage in stages),
        ram=sum(int(stage.ram.min()) for stage in stages),
    )


def within(need: Budget, budget: Budget) -> bool:
    """Whether ``need`` fits ``budget``; necessary for a design, not sufficient."""
    return need.dsp <= budget.dsp and need.ram <= budget.ram


def impossible(
    network: Chain, model: StageModel, tables: list[list[Candidates]], budget: Budget
) -> BudgetError:
    """The error for a budget that no plan fits: the gap, and the stage that takes most.

    ``tables`` holds the candidates of every stage for every plan. The serial candidate of a stage,
    with every parallelism 1, takes both the least DSP and the least memory; so a budget that fits
    one by one fits together.
    """
    ram = model.ram
    least_dsp = least_blocks(tables[0]).dsp
    if least_dsp > budget.dsp:
        return BudgetError(
            f"network {network.name}: needs at least {least_dsp} DSP blocks, the budget is "
            f"{budget.dsp}; choose a larger device or fewer stages"
        )
    table = min(tables, key=lambda stages: least_blocks(stages).ram)
    least_ram = least_blocks(table).ram
    costs = [int(stage.ram.min()) for stage in table]
    worst = max(range(len(costs)), key=costs.__getitem__)
    return BudgetError(
        f"network {network.name}: needs at least {ram.in_units(least_ram)} at {model.bits} "
        f"bits, the budget is {ram.in_units(budget.ram)} ({network.stages[worst].name} alone "
        f"takes {ram.in_units(costs[worst])}); choose a larger device or fewer bits"
    )
