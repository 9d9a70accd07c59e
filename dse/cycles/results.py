"""Results on their way from the array to the writer, and their room in the output FIFO."""

from __future__ import annotations

from dse.cycles.latencies import Latencies
from dse.cycles.line import Line
from hw.isa.config import OverlayConfig


class Results:
    """`hw.conv.sequence.wave_resources.OutputRoom`, the array and the output FIFO's latency."""

    def __init__(self, config: OverlayConfig, latencies: Latencies) -> None:
        self._columns = config.columns
        self._latencies = latencies
        self._words = Line(latencies.word - 1)  # of the collector
        self._turned = Line(latencies.turned - 1)  # of the output turn
        self.room = config.output_depth
        self.seen = self.room  # of it, what was free a cycle ago
        self.spacing = 0  # cycles until the collector's output is free
        self.clear = 0  # cycle from which the output turn may deliver
        self.waves = False  # a word is reserved by each of this span's cycles: a wave's
        self.turns = False  # likewise, of the output turn

    @property
    def active(self) -> bool:
        """A word reaches the writer in the next cycle."""
        return self._words.active or self._turned.active

    def look(self, now: int) -> None:
        self._words.look(now)
        self._turned.look(now)
        self.waves = self.turns = False

    def horizon(self, now: int) -> int:
        """How long words go on coming, or do not."""
        words = self._words.horizon(now, enters=self.waves)
        return min(words, self._turned.horizon(now, enters=self.turns))

    def step(self, now: int, cycles: int, *, returned: bool) -> None:
        """``returned``: the writer takes a word a cycle."""
        self.spacing = max(0, self.spacing - cycles)
        if returned:
            self.room += cycles
        if self.waves:
            self.room -= cycles
            self._words.push(now, cycles)
            self.occupy(now + cycles - 1, self._columns)
        if self.turns:
            self.room -= cycles
            self._turned.push(now, cycles)
        self.seen = self.room - returned

    def close(self, now: int, pixels: int) -> None:
        """IS: the group's last wave; after ``step``."""
        self.room -= pixels
        self.occupy(now, pixels)
        self._words.push(now, pixels, self._latencies.group - self._latencies.word)

    def occupy(self, now: int, cycles: int) -> None:
        """The collector's output is taken for so long behind a wave; after ``step``."""
        self.spacing = cycles
        self.clear = now + cycles + self._latencies.clear

    def deliver(self, now: int, pixels: int, more: int) -> None:
        """Winograd, WS: pixels of a line, the first ``more`` than a wave's latency from now."""
        self._words.push(now, pixels, more)
