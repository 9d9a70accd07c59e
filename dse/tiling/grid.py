"""The array, one or thousands, as the closed forms see it, and the arithmetic they share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    LEAST_TILE_CYCLES,
    collector_latency,
    crossing_latency,
    foot_delay,
    parameter_margin,
    parameter_period,
)

Count = Any
"""A whole number, or an array of them: integers or float64, which is several times as fast."""


@dataclass(frozen=True)
class Grid:
    """R x C arrays with all else in common.

    Parameters
    ----------
    rows, columns : of each array.
    template : everything but rows and columns; ``weight_words`` is raised to the least legal one.
    """

    rows: Count
    columns: Count
    template: OverlayConfig

    @classmethod
    def of(cls, config: OverlayConfig) -> Grid:
        """A single array."""
        return cls(config.rows, config.columns, config)

    @property
    def lanes(self) -> int:
        return self.template.lanes

    @property
    def reduction(self) -> Count:
        """L: bytes of an activation word."""
        return self.lanes * self.rows

    @cached_property
    def weight_words(self) -> Count:
        """Depth of the weight buffer."""
        return np.maximum(self.template.weight_words, 2 * np.maximum(self.rows, self.columns))

    @cached_property
    def least(self) -> Count:
        """T: cycles between two swaps."""
        return np.maximum(self.rows, LEAST_TILE_CYCLES)

    @cached_property
    def travel(self) -> Count:
        """From a wave at the array's input to its sums at the first foot."""
        return foot_delay(self.rows)

    @cached_property
    def margin(self) -> Count:
        """Cycles for which a wave waits behind the start of its parameter burst."""
        return parameter_margin(self.rows, self.columns)

    @cached_property
    def parameter_period(self) -> Count:
        """Least cycles between the first waves of two channel tiles (WS, NS)."""
        return parameter_period(self.rows, self.columns)

    @cached_property
    def results(self) -> Count:
        """From a wave to its result in column 0."""
        return collector_latency(self.rows, self.template.crossings)

    @cached_property
    def crossing(self) -> int:
        """What results take longer for the borders between dies."""
        return crossing_latency(self.template.crossings)


def ceil_div(a: Count, b: Count) -> Count:
    """a / b, rounded up; exact below 2^53, where no quotient is rounded to a whole number."""
    return np.ceil(a / b)


def floor_div(a: Count, b: Count) -> Count:
    """a / b, rounded down; as exact."""
    return np.floor(a / b)


def balanced(total: Count, limit: Count, multiple: Count = 1) -> Count:
    """The tile of at most ``limit`` that cuts ``total`` into the fewest, most equal parts.

    A multiple of ``multiple`` where that costs no further part.
    """
    size = ceil_div(total, ceil_div(total, limit))
    rounded = ceil_div(size, multiple) * multiple
    return np.where(rounded <= limit, rounded, size)


def parts(total: Count, tile: Count) -> list[tuple[Count, Count]]:
    """(size, how many): the whole parts and the rest, where there are any.

    Of many arrays, those without have 0 of some size.
    """
    whole = floor_div(total, tile)
    rest = total - whole * tile
    found = [(tile, whole), (np.maximum(rest, 1), np.minimum(rest, 1))]
    return [(size, count) for size, count in found if np.any(count)]


def last_part(total: Count, tile: Count) -> Count:
    """Size of the last part."""
    return total - (ceil_div(total, tile) - 1) * tile


def distinct(candidates: Iterable[Count]) -> list[Count]:
    """Those that differ from all before them in any array."""
    found: list[Count] = []
    for candidate in candidates:
        if not any(np.array_equal(candidate, other) for other in found):
            found.append(candidate)
    return found
