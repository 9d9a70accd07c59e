"""The memory blocks of a design whose stages know their neighbours.

A candidate of the search stands alone: it cannot know how wide the beats are in which channels
come, nor those in which the next stage takes its results. Both make words or queues longer, never
shorter; so what the search counts is a bound from below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from dse.pipeline.chip_budget import Budget
from dse.pipeline.design import Design, Stage
from dse.pipeline.exact import Exact
from dse.pipeline.filtered import Filtered
from dse.pipeline.model.parallelism import Granule
from dse.pipeline.model.ram import Ram
from dse.pipeline.model.search_error import BudgetError
from dse.pipeline.stage_shapes import stage_shapes
from hw.stages.shape import StageShape
from hw.stages.stage_memories import stage_memories

BUFFERS = {
    "ring": "input",
    "weights": "weight",
    "results": "output",
    "pool": "pool",
    "drain": "parameter",
}
"""What the search calls the memories of a stage's part."""

Found = TypeVar("Found", Exact, Filtered)


def recounted(design: Design) -> Design:
    """The same design with the blocks of its stages as they are built; segments of rows are not."""
    if design.model.granule is not Granule.PIXEL:
        return design
    stages = tuple(
        _stage(stage, shape, design.model.ram)
        for stage, shape in zip(design.stages, stage_shapes(design), strict=True)
    )
    return replace(design, stages=stages)


def fitting(search: Callable[[Budget], Found], budget: Budget) -> Found:
    """What a search finds whose design fits as it is built, not only as the search counts it.

    Where it does not, the search gets less memory than it took, by what was too much.  That leaves
    designs out that it would count alike and that need less: what it proves of the memory that it
    was given first stays a bound, and what it finds is a design, perhaps not the best.

    Raises
    ------
    BudgetError
        When no design fits.
    """
    given = budget
    while True:
        found = search(given)
        design = recounted(found.design)
        beyond = design.ram - budget.ram
        if beyond <= 0:
            return replace(found, design=design)
        if beyond >= found.design.ram:
            raise BudgetError(
                f"network {design.network.name}: its stages take {beyond} memory blocks more than "
                "there are; choose a larger device or fewer bits"
            )
        given = replace(given, ram=found.design.ram - beyond)


def _stage(stage: Stage, shape: StageShape, ram: Ram) -> Stage:
    counts: dict[str, Any] = {f"{name}_ram": 0 for name in BUFFERS.values()}
    for part, size in stage_memories(shape).items():
        lanes, depth = np.array([-(-size.width // 8)]), np.array([size.depth])
        counts[f"{BUFFERS[part]}_ram"] = size.count * int(ram.blocks(lanes=lanes, depth=depth)[0])
    return replace(stage, **counts)
