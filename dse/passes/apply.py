"""The passes for exploration: which of them a search may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dse.network.graph import Network
from dse.passes.concat import insert_copies
from dse.passes.merge import Group, merge, siblings
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


class Switches(Protocol):
    """What a search's passes and a compiler's mapping have in common."""

    @property
    def space_to_depth(self) -> bool: ...
    @property
    def pool_parts(self) -> bool: ...


def rearrange(network: Network, passes: Switches, groups: Sequence[Sequence[str]]) -> Network:
    """The graph behind the passes, in their fixed order, but for folding: search and compiler
    map the layers of this one.

    ``groups``: what to merge.
    """
    if passes.space_to_depth:
        network = space_to_depth(network)
    if passes.pool_parts:
        network = pool_parts(network)
    return merge(network, groups)


def apply(network: Network, passes: Passes, groups: Sequence[Group] | None = None) -> Network:
    """The graph that the compiler makes, but for folding; names are the compiler's.

    ``groups``: what to merge, by default all of ``siblings``.
    """
    if groups is None:
        groups = siblings(rearrange(network, passes, ()))
    network = rearrange(network, passes, groups if passes.merge else ())
    return insert_copies(network, passes.concat_in_place)
