"""FIFOs whose reader may keep what it has read: weights, activations, transformed activations."""

from __future__ import annotations

from collections import deque

from dse.cycles.line import FOREVER
from hw.conv.feed.scratch import BLOCKS
from hw.isa.timing import ROOM_LATENCY, SCRATCH_LATENCY


class Buffer:
    """`hw.lib.replay.WeightBuffer`: words that can be popped, and held ones."""

    def __init__(self, depth: int, latency: int = ROOM_LATENCY) -> None:
        self._depth = depth
        ago = latency - 1
        self._freed = deque([0] * ago, ago)  # words, in the cycles before
        self.level = 0
        self.seen = 0  # of them, those that are not new in this cycle
        self._used = 0
        self.pops = False  # in this cycle; the following too
        self.holds = False
        self.rewinds = False  # with the span's last pop
        self.releases = False

    @property
    def free(self) -> int:
        """Words that have room."""
        return self._depth - self._used - self.coming

    @property
    def coming(self) -> int:
        """Words that were given up, and have room soon."""
        return sum(self._freed)

    def pop(self, *, holds: bool) -> None:
        """One word a cycle is taken, and kept or not."""
        self.pops, self.holds = True, holds

    def step(self, cycles: int, written: int, fresh: int) -> None:
        """``fresh`` : of the words written, those of the last cycle."""
        kept = self._used - self.level
        self._used += written
        self.level += written
        for cycle in range(max(0, cycles - len(self._freed)), cycles):
            self._freed.append(self._gives_up(cycle, cycles, kept))
        if self.pops:
            self.level -= cycles
            if self.releases or not self.holds:
                self._used = self.level
            elif self.rewinds:
                self.level = self._used
        self.seen = self.level - fresh
        self.pops = self.holds = self.rewinds = self.releases = False

    def _gives_up(self, cycle: int, cycles: int, kept: int) -> int:
        """Words, in a cycle of a span; ``kept`` before it."""
        if not self.pops:
            return 0
        if not self.holds:
            return 1 if cycle else kept + 1
        return kept + cycles if self.releases and cycle == cycles - 1 else 0


class Scratch(Buffer):
    """`hw.conv.feed.scratch.Scratch`: blocks are reserved, and read once they are complete."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth, SCRATCH_LATENCY)
        self._blocks: deque[int] = deque()  # words, reserved
        self._complete: deque[int] = deque()  # cycles

    def wait(self, words: int) -> int:
        """Cycles for which a block cannot be reserved; 0: it can be now."""
        missing = words - (self.free - sum(self._blocks))
        if missing <= 0:
            return 0 if len(self._blocks) < BLOCKS else FOREVER
        if self.coming:
            return 1
        if not self.pops or self.holds:
            return FOREVER
        return missing if self._used == self.level else 1

    def horizon(self, now: int) -> int:
        """Until the next block is complete, or 1 if one is."""
        return max(1, self._complete[0] - now) if self._complete else FOREVER

    def reserve(self, words: int) -> None:
        """After ``arrive``."""
        self._blocks.append(words)

    def complete(self, cycle: int) -> None:
        """The oldest block without such a cycle will be complete then."""
        self._complete.append(cycle)

    def arrive(self, now: int, cycles: int) -> None:
        """The scratch memory's ``step``."""
        written = 0
        if self._complete and self._complete[0] == now:
            self._complete.popleft()
            written = self._blocks.popleft()
        self.step(cycles, written, written)
