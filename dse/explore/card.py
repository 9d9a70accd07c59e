"""The board as the search sees it: what it has, and what an overlay takes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dse.cost.clock import ClockStanding
from dse.explore.resources import Resources
from hw.isa.config import OverlayConfig


class Card(Protocol):
    """What overlays are searched for; ``boards.board.Board`` is one.

    Members
    -------
    part : the device's order number.
    clock_hz : the clock that designs aim at; ``clock_standing``: what supports it.
    dsp : multipliers that an overlay may take.
    memory_channels, memory_bandwidth : channels of DRAM, and bytes per second of all of them.
    budget : the resources by name, as cost models count them.
    limits : the resources by name, as ``Resources`` count them.
    device : those of the bare device, of which shell or block design take a part.
    source : who says what they take; empty: the whole device is to be had.
    """

    @property
    def name(self) -> str: ...

    @property
    def part(self) -> str: ...

    @property
    def clock_hz(self) -> float: ...

    @property
    def clock_standing(self) -> ClockStanding: ...

    @property
    def dsp(self) -> int: ...

    @property
    def memory_channels(self) -> int: ...

    @property
    def memory_bandwidth(self) -> float: ...

    @property
    def budget(self) -> Mapping[str, int]: ...

    @property
    def limits(self) -> Mapping[str, int]: ...

    @property
    def device(self) -> Mapping[str, int]: ...

    @property
    def source(self) -> str: ...

    def share(self, overlays: int) -> Card:
        """What one of so many equal overlays has of it, at least one memory channel."""
        ...

    def blocks(self, config: OverlayConfig) -> Mapping[str, Resources]:
        """What each part of an overlay takes, whether or not there is that much."""
        ...

    def fits(self, config: OverlayConfig) -> bool:
        """Whether an overlay can be built."""
        ...

    def dies(self, config: OverlayConfig) -> tuple[range, ...]:
        """The columns of an overlay's array on each die, from the lowest; none without room."""
        ...

    def crossings(self, config: OverlayConfig) -> int:
        """Borders between dies that an overlay's array crosses, if it finds room."""
        ...
