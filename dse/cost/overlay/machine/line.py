"""Time in the model: spans of cycles in which every decision stays the same."""

from __future__ import annotations

from collections import deque

FOREVER = 1 << 60
"""A horizon that nothing of a unit's own limits."""


class Line:
    """A fixed-rate pipeline of one bit a cycle, as runs of cycles in which something comes out."""

    __slots__ = ("_latency", "_runs", "active", "horizon")

    def __init__(self, latency: int) -> None:
        self._latency = latency
        self._runs: deque[list[int]] = deque()
        self.active = False  # in the cycle that was looked at
        self.horizon = FOREVER  # how long ``active`` stays as it is

    def push(self, start: int, cycles: int, more: int = 0) -> None:
        """Enters in ``cycles`` successive cycles, ``more`` cycles before the line's beginning."""
        start += self._latency + more
        if self._runs and self._runs[-1][1] == start:
            self._runs[-1][1] = start + cycles
        else:
            self._runs.append([start, start + cycles])

    def look(self, now: int) -> int:
        """Finds ``active`` and ``horizon`` for this cycle; returns the latter."""
        runs = self._runs
        while runs and runs[0][1] <= now:
            runs.popleft()
        if not runs:
            self.active, self.horizon = False, FOREVER
        elif runs[0][0] <= now:
            self.active, self.horizon = True, runs[0][1] - now
        else:
            self.active, self.horizon = False, runs[0][0] - now
        return self.horizon
