"""Why an optimum misses the bound of its multipliers: the memory that lacks, and where."""

from dataclasses import dataclass

import numpy as np

from dse.pipeline.chip_budget import UNLIMITED, Budget, plan_candidates
from dse.pipeline.design import Design, build
from dse.pipeline.exact import Exact
from dse.pipeline.knapsack import affordable, least_ram, period_front, pick
from dse.pipeline.model.cost import Candidates
from dse.pipeline.model.plan import plans
from dse.pipeline.model.ram import Ram

_BUFFERS = {
    "input": "input_ram",
    "weight": "weight_ram",
    "output": "output_ram",
    "pool": "pool_ram",
    "parameter": "parameter_ram",
}


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """Memory that keeps a design from the period which its multipliers alone allow.

    Parameters
    ----------
    bound : int
        That period, in cycles.
    needed, budget : int
        Least memory blocks of a design with that period, and blocks on the chip.
    stage, buffer : str
        The largest buffer of such a design.
    buffer_blocks : int
        Its memory blocks.
    """

    bound: int
    needed: int
    budget: int
    stage: str
    buffer: str
    buffer_blocks: int

    @property
    def missing(self) -> int:
        """Memory blocks short of the bound."""
        return self.needed - self.budget

    def sentence(self, ram: Ram) -> str:
        """One line for a report, in the unit of the data sheet."""
        return (
            f"memory binds: {self.bound:,} cycles would need {ram.in_units(self.needed)}, "
            f"{ram.in_units(self.missing)} more than the budget; the largest buffer is the "
            f"{self.buffer} buffer of {self.stage} ({ram.in_units(self.buffer_blocks)})"
        )


def find_shortfall(exact: Exact, budget: Budget) -> Shortfall | None:
    """What an exact optimum lacks to reach its DSP bound; None when it reaches the bound."""
    design = exact.design
    if design.cycles == exact.dsp_bound:
        return None
    free = Budget(dsp=budget.dsp, ram=UNLIMITED)
    choices = plans(design.network)
    tables = [
        [affordable(stage, free) for stage in table]
        for table in plan_candidates(design.network, choices, design.model)
    ]
    needs = [_memory_at(table, exact.dsp_bound, budget.dsp) for table in tables]
    index = int(np.argmin(needs))
    chosen = pick(tables[index], exact.dsp_bound, Budget(dsp=budget.dsp, ram=needs[index]))
    choice = [stage.take(np.array([i])) for stage, i in zip(tables[index], chosen, strict=True)]
    wanted = build(design.network, design.device, design.model, choices[index], choice)
    stage, buffer, blocks = _largest_buffer(wanted)
    return Shortfall(
        bound=exact.dsp_bound,
        needed=needs[index],
        budget=budget.ram,
        stage=stage,
        buffer=buffer,
        buffer_blocks=blocks,
    )


def _memory_at(stages: list[Candidates], period: int, dsp: int) -> int:
    fronts = [stage.take(period_front(stage, period)) for stage in stages]
    return int(least_ram(fronts, dsp)[-1][-1])


def _largest_buffer(design: Design) -> tuple[str, str, int]:
    sizes = [
        (getattr(stage, field), stage.name, buffer)
        for stage in design.stages
        for buffer, field in _BUFFERS.items()
    ]
    blocks, stage, buffer = max(sizes)
    return stage, buffer, blocks
