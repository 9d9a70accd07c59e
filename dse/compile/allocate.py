"""Allocation of buffers with known lifetimes in one memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dse.compile.lifetime import Lifetime

ALIGNMENTS = (64, 1)  # bytes: buffers start on a word where that costs no room


@dataclass(frozen=True)
class Demand:
    """So many bytes for so long."""

    bytes: int
    lifetime: Lifetime


def allocate(demands: Mapping[str, Demand], capacity: int) -> dict[str, int] | None:
    """Addresses at which no two buffers meet in time and place; None if they do not fit."""
    orders: tuple[Callable[[str], tuple[int, ...]], ...] = (
        lambda name: (demands[name].lifetime.first, -demands[name].bytes),
        lambda name: (-demands[name].bytes, demands[name].lifetime.first),
    )
    for alignment in ALIGNMENTS:
        for order in orders:
            placed = _first_fit(demands, sorted(demands, key=order), capacity, alignment)
            if placed is not None:
                return placed
    return None


def gaps(
    demands: Mapping[str, Demand], placed: Mapping[str, int], time: int, capacity: int
) -> list[tuple[int, int]]:
    """The free (start, end) ranges at a time."""
    alive = Lifetime(time, time)
    taken = sorted(
        (start, start + demands[name].bytes)
        for name, start in placed.items()
        if demands[name].lifetime.meets(alive)
    )
    found, position = [], 0
    for start, end in [*taken, (capacity, capacity)]:
        if start > position:
            found.append((position, start))
        position = max(position, end)
    return found


def _first_fit(
    demands: Mapping[str, Demand], order: list[str], capacity: int, alignment: int
) -> dict[str, int] | None:
    placed: dict[str, int] = {}
    for name in order:
        demand = demands[name]
        taken = sorted(
            (start, start + demands[other].bytes)
            for other, start in placed.items()
            if demands[other].lifetime.meets(demand.lifetime)
        )
        position = 0
        for start, end in taken:
            if position + demand.bytes <= start:
                break
            position = max(position, -(-end // alignment) * alignment)
        if position + demand.bytes > capacity:
            return None
        placed[name] = position
    return placed
