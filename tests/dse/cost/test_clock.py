"""A latency never stands without what supports its clock."""

from __future__ import annotations

from dse.cost.clock import ClockStanding, clock, latency, unit


def test_words() -> None:
    assert clock(250e6, ClockStanding.ROUTED) == "250 MHz (routed)"
    assert latency(0.65316, 286e6, ClockStanding.ASSUMED) == "0.6532 ms at 286 MHz (assumed)"
    assert unit(ClockStanding.SIX_LEVELS) == "ms (clock six levels)"
