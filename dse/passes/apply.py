"""The passes for exploration: which of them a search may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse.networks.workload import Workload
from dse.passes.concat import insert_copies
from dse.passes.merge import Group, merge, siblings
from dse.passes.placement import note_contiguity
from dse.passes.pool_parts import pool_parts
from dse.passes.space_to_depth import space_to_depth


@dataclass(frozen=True, kw_only=True)
class Passes:
    """A switch for each pass; ``fold`` is a choice of each layer's, not of the graph's."""

    merge: bool = True
    fold: bool = True
    space_to_depth: bool = True
    pool_parts: bool = True
    concat_in_place: bool = True


def apply(workload: Workload, passes: Passes, groups: Sequence[Group] | None = None) -> Workload:
    """The workload that the compiler makes, but for folding; names are the compiler's.

    ``groups``: what to merge, by default all of ``siblings``.
    """
    if passes.space_to_depth:
        workload = space_to_depth(workload)
    if passes.pool_parts:
        workload = pool_parts(workload)
    if passes.merge:
        workload = merge(workload, siblings(workload) if groups is None else groups)
    return note_contiguity(insert_copies(workload, passes.concat_in_place))
