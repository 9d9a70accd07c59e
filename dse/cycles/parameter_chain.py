"""When the parameters of a channel tile are at the feet (WS, NS)."""

from __future__ import annotations

from dse.cycles.latencies import Latencies
from dse.cycles.line import FOREVER


class Parameters:
    """`hw.conv.sequence.wave_resources.ParameterSchedule`."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._wanted = False
        self._quiet = 0
        self._arriving = 0
        self.ready = False

    def plan(self) -> int:
        self._loads = self._wanted and not (self._quiet or self.ready or self._arriving)
        if self._loads:
            return 1
        return min(self._quiet or FOREVER, self._arriving or FOREVER)

    def step(self, cycles: int, *, swaps: bool, more: bool) -> None:
        """``swaps``: in every cycle of the span."""
        self._quiet = max(0, self._quiet - cycles)
        if self._arriving:
            self._arriving -= cycles
            self.ready = not self._arriving
        if self._loads:
            self._wanted = False
            self._arriving = self._latencies.margin
        if swaps:
            self._quiet = self._latencies.travel
            self.ready = False
            self._wanted |= more

    def begin(self) -> None:
        """A burst is wanted; after ``step``."""
        self._wanted = True
