"""Which sibling convolutions to merge, on a given array."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

from dse.cost import CostModel, as_arrays
from dse.mapping import Restriction
from dse.networks import Workload
from dse.networks.workload import ConvShape
from dse.passes import Passes, apply, siblings
from dse.passes.merge import Group

MOST_MEMBERS = 4
"""Of groups whose every part is tried; larger ones are merged as a whole or not at all."""


def worth_merging(
    network: Workload,
    passes: Passes,
    model: CostModel,
    rows: int,
    columns: int,
    restriction: Restriction,
) -> tuple[Group, ...]:
    """Siblings that take fewer cycles together, one group after the other.

    A merged tensor's readers lose the contiguity of their rows, so that it can pay to leave some
    siblings alone. Cycles are those of each layer by itself.
    """
    array = as_arrays(rows, columns)

    @cache
    def least(conv: ConvShape) -> float:
        labels = restriction.allowed("", model.labels(conv))
        return float(model.cycles(conv, labels, array).min())

    def cycles(groups: tuple[Group, ...]) -> float:
        merged = apply(network, passes, groups)
        return sum(least(layer.conv) for layer in merged.convolutions)

    chosen: tuple[Group, ...] = ()
    best = cycles(chosen)
    for group in siblings(apply(network, passes, ())):
        found = {part: cycles((*chosen, part)) for part in _parts(group)}
        part = min(found, key=lambda part: found[part])
        if found[part] < best:
            chosen, best = (*chosen, part), found[part]
    return chosen


def _parts(group: Group) -> Iterator[Group]:
    """The group, and its parts of at least two members."""
    yield group
    if len(group) <= MOST_MEMBERS:
        for size in range(len(group) - 1, 1, -1):
            yield from combinations(group, size)
