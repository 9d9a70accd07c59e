"""Time in the model: spans of cycles in which every decision stays the same."""

from __future__ import annotations

from collections import deque

FOREVER = 1 << 60
"""A horizon that nothing of a unit's own limits."""


class Line:
    """A fixed-rate pipeline of one bit a cycle, as runs of cycles in which something comes out."""

    __slots__ = ("_latency", "_runs", "active")

    def __init__(self, latency: int) -> None:
        self._latency = latency
        self._runs: deque[list[int]] = deque()
        self.active = False  # something comes out in the cycle that was looked at

    def look(self, now: int) -> None:
        """Finds ``active`` for this cycle."""
        runs = self._runs
        while runs and runs[0][1] <= now:
            runs.popleft()
        self.active = bool(runs) and runs[0][0] <= now

    def horizon(self, now: int, *, enters: bool) -> int:
        """How long ``active`` stays if something ``enters``, or does not, in every cycle."""
        runs, start = self._runs, now + self._latency
        if not runs:
            return self._latency if enters else FOREVER
        if not self.active:
            return min(runs[0][0], start if enters else FOREVER) - now
        if len(runs) == 1 and enters and runs[0][1] == start:
            return FOREVER
        return runs[0][1] - now

    def push(self, start: int, cycles: int, more: int = 0) -> None:
        """Enters in ``cycles`` successive cycles, ``more`` cycles before the line's beginning."""
        start += self._latency + more
        if self._runs and self._runs[-1][1] == start:
            self._runs[-1][1] = start + cycles
        else:
            self._runs.append([start, start + cycles])
