"""Winograd's way out: finished tiles, element by element, and the output turn behind them."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from dse.cycles.latencies import Latencies
from dse.cycles.line import FOREVER
from dse.cycles.parameter_chain import Parameters
from dse.cycles.results import Results
from hw.conv.array.output_turn import GROUPS
from hw.conv.sequence.drain import DRAINS
from hw.isa.config import OverlayConfig
from hw.isa.timing import SETTLE_CYCLES, output_latency
from hw.isa.transforms import Transform


@dataclass(frozen=True)
class FinishedTile:
    """A finished tile. units: WS: tiles of pixels, IS: channels. columns: IS: with a tile."""

    by_channel: bool
    units: int
    columns: int
    transform: Transform


class _State(enum.Enum):
    IDLE = 0
    PARAMETERS = 1
    UNIT = 2
    ELEMENTS = 3
    SWAP = 4


class Turn:
    """`hw.conv.array.output_turn.OutputTurn`: the words of complete groups, as there is room."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._groups: deque[list[int]] = deque()  # cycle from which it can be read, words
        self._reads = False

    def plan(self, now: int, *, returned: bool) -> int:
        if not self._groups:
            self._reads = False
            return FOREVER
        (begin, words), room = self._groups[0], self._results.room
        begin = max(begin, self._results.clear)
        self._reads = self._results.turns = begin <= now and room > 0
        if begin > now:
            return begin - now
        if not room:
            return 1 if returned else FOREVER
        return min(words, FOREVER if returned else room)

    def step(self, cycles: int) -> bool:
        """Whether a group has been read with the span's last cycle."""
        if not self._reads:
            return False
        group = self._groups[0]
        group[1] -= cycles
        if group[1]:
            return False
        self._groups.popleft()
        return True

    def fill(self, begin: int, words: int) -> None:
        """A group can be read from a cycle on."""
        self._groups.append([begin, words])


class Drain:
    """`hw.conv.sequence.drain.Drain`: a unit at a time, an element a cycle."""

    def __init__(
        self, config: OverlayConfig, latencies: Latencies, parameters: Parameters, results: Results
    ) -> None:
        self._config = config
        self._latencies = latencies
        self._parameters, self._results = parameters, results
        self._turn = Turn(results)
        self._jobs: deque[FinishedTile] = deque()
        self._state = _State.IDLE
        self._settle = 0
        self._unit = 0
        self._left = 0  # elements of the unit
        self._groups = 0  # begun and not yet read from the turn
        self._seen = 0  # of a cycle ago
        self._cooling = 0  # cycles in which results are still to leave the feet
        self._swap = -1  # cycle in which the parameters swap
        self._swaps = self._swapped = False
        self._begins = False  # a unit, in the next cycle
        self._next = _State.IDLE

    @property
    def free(self) -> bool:
        """A bank is free for the next tile's waves."""
        return len(self._jobs) < DRAINS

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not (self._jobs or self._cooling or self._groups)

    @property
    def swaps(self) -> bool:
        """The parameters swap in the planned cycle."""
        return self._swaps

    def plan(self, now: int, *, returned: bool) -> int:
        horizon = self._turn.plan(now, returned=returned)
        self._begins = False
        self._next = self._state
        self._swaps = self._swap == now
        if self._swap >= now:
            horizon = min(horizon, max(1, self._swap - now))
        if not self._jobs:
            return min(horizon, self._cooling or FOREVER)
        return min(horizon, _PLANS[self._state](self, self._jobs[0], returned))

    def _plan_idle(self, job: FinishedTile, returned: bool) -> int:
        self._next = _State.PARAMETERS
        return 1

    def _plan_parameters(self, job: FinishedTile, returned: bool) -> int:
        if self._settle:
            return self._settle
        if not job.by_channel and not self._parameters.ready:
            return FOREVER
        self._next = _State.UNIT
        return 1

    def _plan_unit(self, job: FinishedTile, returned: bool) -> int:
        self._begins = self._has_room(job, self._unit)
        if not self._begins:
            old = self._seen > self._groups or self._results.seen < self._results.room
            return 1 if returned or old else FOREVER
        self._next = _State.ELEMENTS
        return 1

    def _plan_elements(self, job: FinishedTile, returned: bool) -> int:
        if self._left > 1:
            return self._left - 1
        following = self._unit + 1
        if following == job.units:
            self._next = _State.SWAP
            return 1
        self._begins = self._has_room(job, following)
        if not self._begins:
            self._next = _State.UNIT
        return 1

    def _plan_swap(self, job: FinishedTile, returned: bool) -> int:
        if not job.by_channel and not self._swapped:
            return FOREVER
        self._next = _State.IDLE
        return 1

    def _has_room(self, job: FinishedTile, unit: int) -> bool:
        """Whether the unit can begin."""
        if not job.by_channel:
            return self._results.seen >= job.transform.pixels
        return unit % self._config.columns != 0 or self._seen < GROUPS

    def step(self, now: int, cycles: int) -> None:
        """Behind those of the results and the parameters."""
        state = self._state
        self._seen = self._groups
        self._groups -= self._turn.step(cycles)
        self._settle = max(0, self._settle - cycles)
        self._cooling = max(0, self._cooling - cycles)
        self._swapped |= self._swaps
        self._state = self._next
        if not self._jobs:
            return
        job = self._jobs[0]
        if state is _State.IDLE:
            self._settle, self._swapped = SETTLE_CYCLES, False
            if not job.by_channel:
                self._parameters.begin()
        elif state is _State.ELEMENTS:
            self._cooling = self._latencies.cooling
            if not job.by_channel:
                self._results.occupy(now + cycles - 1, self._latencies.busy)
            self._left -= cycles
            if not self._left:
                self._end_unit(job, now + cycles - 1)
        elif self._next is _State.IDLE:
            self._jobs.popleft()
            self._unit = 0
        if self._begins:
            self._begin_unit(job)

    def _begin_unit(self, job: FinishedTile) -> None:
        self._left = job.transform.elements
        if not job.by_channel:
            self._results.room -= job.transform.pixels
        elif self._unit % self._config.columns == 0:
            self._groups += 1

    def _end_unit(self, job: FinishedTile, now: int) -> None:
        """Its last element is issued: the way of its results."""
        transform = job.transform
        rows, columns, alpha = transform.y.m, transform.x.m, transform.x.alpha
        latency = output_latency(transform, self._config.transforms)
        if not job.by_channel:
            for row in range(rows):
                self._results.deliver(now, columns, latency + alpha * row)
            if not self._unit:
                self._swap = now + self._latencies.swap
        self._unit += 1
        if job.by_channel and (self._unit == job.units or not self._unit % self._config.columns):
            last = now + latency + alpha * (rows - 1) + columns - 1
            self._turn.fill(last + self._latencies.filled, job.columns * transform.pixels)

    def finish(self, job: FinishedTile) -> None:
        """A tile's last wave is issued; after ``step``."""
        self._jobs.append(job)


_PLANS = {
    _State.IDLE: Drain._plan_idle,
    _State.PARAMETERS: Drain._plan_parameters,
    _State.UNIT: Drain._plan_unit,
    _State.ELEMENTS: Drain._plan_elements,
    _State.SWAP: Drain._plan_swap,
}
