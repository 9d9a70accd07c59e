"""The array, one or thousands, as the closed forms see it, and how they cut what it works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dse.tiling.count import Count, any_of, ceil_div, either, floor_div, greater, lesser
from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    LEAST_TILE_CYCLES,
    collector_latency,
    crossing_latency,
    foot_delay,
    parameter_margin,
    parameter_period,
)


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
        return greater(self.template.weight_words, 2 * greater(self.rows, self.columns))

    @cached_property
    def least(self) -> Count:
        """T: cycles between two swaps."""
        return greater(self.rows, LEAST_TILE_CYCLES)

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


def balanced(total: Count, limit: Count, multiple: Count = 1) -> Count:
    """The tile of at most ``limit`` that cuts ``total`` into the fewest, most equal parts.

    A multiple of ``multiple`` where that costs no further part.
    """
    size = ceil_div(total, ceil_div(total, limit))
    rounded = ceil_div(size, multiple) * multiple
    return either(rounded <= limit, rounded, size)


def parts(total: Count, tile: Count) -> list[tuple[Count, Count]]:
    """(size, how many): the whole parts and the rest, where there are any.

    Of many arrays, those without have 0 of some size.
    """
    whole = floor_div(total, tile)
    rest = total - whole * tile
    found = [(tile, whole), (greater(rest, 1), lesser(rest, 1))]
    return [(size, count) for size, count in found if any_of(count)]


def last_part(total: Count, tile: Count) -> Count:
    """Size of the last part."""
    return total - (ceil_div(total, tile) - 1) * tile
