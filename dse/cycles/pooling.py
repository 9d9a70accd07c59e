"""The pooling engine."""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.instruction import Instruction
from dse.cycles.flow import Issuer
from dse.cycles.line import FOREVER, Line
from hw.isa import POOL
from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.timing import (
    FINISH_LATENCY,
    GROUP_LATENCY,
    READ_LATENCY,
    WINDOW_LATENCY,
)
from hw.pool.cycles import PoolLine, later
from hw.pool.engine import RESULTS

RESULT_LATENCY = READ_LATENCY + GROUP_LATENCY + WINDOW_LATENCY + FINISH_LATENCY


@dataclass
class PoolWindows:
    """Taps of the windows in order: ``first`` of a line's first window, ``later`` of the others."""

    first: int
    later: int
    width: int  # windows of a line
    left: int  # windows, the present one included
    taps: int  # of the present window still to come
    column: int = 0

    def advance(self, cycles: int) -> bool:
        """Whether the window ends."""
        self.taps -= cycles
        if self.taps:
            return False
        self.column = (self.column + 1) % self.width
        self.taps = self.later if self.column else self.first
        self.left -= 1
        return True


class Pooling:
    """`hw.pool.engine.PoolEngine`."""

    def __init__(self, config: OverlayConfig, issuer: Issuer) -> None:
        self._config = config
        self._issuer = issuer
        self._busy = False
        self._begin = 0  # cycle of the walk's first step
        self._steps: PoolWindows | None = None
        self._reads: PoolWindows | None = None
        self._placed = self._offered = False  # the walker's two stages
        self._more = 0
        self._spacing = 0
        self._later = 0  # cycles that results take longer
        self._room = RESULTS
        self._tickets = 0
        self._level = 0  # results
        self._left = 0  # results to write
        self._results = Line(RESULT_LATENCY)
        self._retires = False
        self._ahead = False  # the planned cycles are behind it

    def look(self, now: int) -> None:
        self._issuer.accepts = not self._busy
        self._issuer.retires = self._retires
        self._results.look(now)

    @property
    def reads(self) -> bool:
        """A tensor memory read is offered."""
        if not self._offered:
            return False
        assert self._reads is not None
        return self._reads.taps > 1 or not self._spacing

    @property
    def writes(self) -> bool:
        return self._level > 0

    def plan(self, now: int, most: int, *, read: bool, write: bool, alone: bool) -> int:
        """How many cycles the overlay goes on like this, of ``most``.

        ``read``, ``write``: the memory grants, all the while.  ``alone``: nobody else notices when
        the engine reads and writes, which then has these cycles behind it at once.
        """
        self._ahead = alone and self._busy
        if not self._ahead:
            return min(most, self._plan(now, read=read, write=write))
        done, retires = 0, False
        while done < most and not retires:
            cycles = min(self._plan(now + done, read=read, write=write), most - done)
            self._step(now + done, cycles)
            done += cycles
            self._results.look(now + done)
            retires = self._retires or not self._busy
        return done

    def finish(self, now: int, cycles: int) -> None:
        """The planned cycles, if they are not behind it."""
        if not self._ahead:
            self._step(now, cycles)

    def _plan(self, now: int, *, read: bool, write: bool) -> int:
        self._accepted = self._level > 0 and write
        if not self._busy:
            return FOREVER
        self._granted = self.reads and read
        hands_on = not self._offered or self._granted
        self._walks = not self._placed or hands_on
        self._hands_on = hands_on
        steps, reads = self._steps, self._reads
        assert steps is not None
        assert reads is not None
        active = steps.left > 0 and now >= self._begin
        self._moves = active and self._walks and (steps.taps > 1 or self._tickets < self._room)
        if self._retires or self._accepted or (self._results.active and not self._level):
            return 1
        horizon = self._results.horizon(now, enters=False)
        if self._begin > now:
            horizon = min(horizon, self._begin - now)
        if self._moves != self._granted or (self._placed != self._offered):
            return 1
        if self._moves:
            if steps.taps == 1 or reads.taps == 1:
                return 1
            horizon = min(horizon, steps.taps - 1, reads.taps - 1)
        elif self._spacing:
            horizon = min(horizon, self._spacing)
        return horizon

    def _step(self, now: int, cycles: int) -> None:
        if not self._busy:
            self._start(now)
            return
        assert self._steps is not None
        assert self._reads is not None
        if self._retires:
            self._busy = self._retires = False
        self._spacing = max(0, self._spacing - cycles)
        if self._results.active:
            self._level += cycles
        if self._accepted:
            self._level -= 1
            self._tickets -= 1
            self._left -= 1
            self._retires = not self._left
        if self._granted and self._reads.advance(cycles):
            self._results.push(now, 1, self._more + self._later)
            self._spacing = self._more
        placed = self._placed
        if self._walks:
            self._placed = self._moves
        if self._hands_on:
            self._offered = placed
        if self._moves and self._steps.advance(cycles):
            self._tickets += 1

    def _start(self, now: int) -> None:
        """Measure the overlap, start the walk."""
        if self._issuer.started is None:
            return
        code: Instruction = self._issuer.started
        fields = {name: code.field(name) for name in POOL.members}
        line = PoolLine.of(fields)
        windows = fields["pixels"] * ceil_div(fields["channels"], self._config.pool_channels)
        self._steps, self._reads = (
            PoolWindows(line.first, line.following, line.width, windows, line.first)
            for _ in range(2)
        )
        self._more = line.more
        self._later = later(fields)
        self._room = 2 * RESULTS if fields["normalise"] else RESULTS
        self._left = windows
        self._begin = now + line.measuring + 2
        self._busy = True
