"""A latency in words, with what supports the clock that it was computed with."""

from __future__ import annotations

from enum import StrEnum


class ClockStanding(StrEnum):
    """What supports a clock; a latency in milliseconds is worth no more.

    ``SIX_LEVELS``: no chain of logic between registers is longer.  ``ROUTED``: a placed and routed
    design has reached it.
    """

    ASSUMED = "assumed"
    SIX_LEVELS = "six levels"
    ROUTED = "routed"


def clock(clock_hz: float, standing: ClockStanding) -> str:
    """As in "286 MHz (assumed)"."""
    return f"{clock_hz / 1e6:g} MHz ({standing})"


def latency(milliseconds: float, clock_hz: float, standing: ClockStanding) -> str:
    """As in "0.6530 ms at 286 MHz (assumed)"."""
    return f"{milliseconds:.4f} ms at {clock(clock_hz, standing)}"


def unit(standing: ClockStanding) -> str:
    """What stands above or beside many latencies: "ms (clock assumed)"."""
    return f"ms (clock {standing})"
