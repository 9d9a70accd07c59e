"""The passes for exploration: which of them a search may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dse.network.graph import Network
from dse.passes.apart import set_apart
from dse.passes.concat import insert_copies
from dse.passes.merge import Group, merge, siblings
from dse.passes.pool_parts import pool_parts
from dse.passes.space_to_depth import space_to_depth


@dataclass(frozen=True, kw_only=True)
class Passes:
    """A switch for each pass; ``fold`` is a choice of each layer's, not of the graph's."""

    merge: bool = True
    apart: bool = True
    fold: bool = True
    space_to_depth: bool = True
    pool_parts: bool = True
    concat_in_place: bool = True


@dataclass(frozen=True)
class Arrangement:
    """What a search does to the graph where it pays.

    ``groups``: siblings to merge.  ``apart``: convolutions whose results are copied, see
    ``set_apart``.
    """

    groups: tuple[Group, ...] = ()
    apart: tuple[str, ...] = ()


class Switches(Protocol):
    """What a search's passes and a compiler's mapping have in common."""

    @property
    def space_to_depth(self) -> bool: ...
    @property
    def pool_parts(self) -> bool: ...


def rearrange(
    network: Network,
    passes: Switches,
    arrangement: Arrangement,
) -> Network:
    """The graph behind the passes, in their fixed order, but for folding: search and compiler
    map the layers of this one.
    """
    if passes.space_to_depth:
        network = space_to_depth(network)
    if passes.pool_parts:
        network = pool_parts(network)
    return set_apart(merge(network, arrangement.groups), arrangement.apart)


def apply(
    network: Network,
    passes: Passes,
    arrangement: Arrangement | None = None,
) -> Network:
    """The graph that the compiler makes, but for folding; names are the compiler's.

    ``arrangement``: by default all of ``siblings`` are merged, if ``passes`` say so.
    """
    if arrangement is None:
        plain = rearrange(network, passes, Arrangement())
        arrangement = Arrangement(siblings(plain) if passes.merge else ())
    network = rearrange(network, passes, arrangement)
    return insert_copies(network, passes.concat_in_place)
