"""AXI: the memory of the fast simulation, burst readers and the burst writer."""

from __future__ import annotations

from collections import deque

from dse.cycles.dram import FULL_RATE, MemoryTiming
from dse.cycles.line import FOREVER, Line
from hw.bus.axi import burst_beats
from hw.bus.burst_writer import BURSTS
from hw.isa.timing import READER_LATENCY

BEAT_CREDIT = FULL_RATE
CREDIT_LIMIT = 16 * BEAT_CREDIT


class Pace:
    """Bandwidth: in which cycles a channel may move."""

    __slots__ = ("_credit", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._credit = CREDIT_LIMIT  # saturated long before a run starts

    def horizon(self) -> int:
        """Cycles in a row that a busy channel can move from now on; 0: not in this cycle."""
        credit = min(self._credit + self._rate, CREDIT_LIMIT)
        if credit < BEAT_CREDIT:
            return 0
        if self._rate == BEAT_CREDIT:
            return FOREVER
        return (credit - BEAT_CREDIT) // (BEAT_CREDIT - self._rate) + 1

    def step(self, cycles: int, *, moved: bool) -> None:
        if not moved:
            self._credit = min(self._credit + cycles * self._rate, CREDIT_LIMIT)
            return
        credit = min(self._credit + self._rate, CREDIT_LIMIT) - BEAT_CREDIT
        self._credit = credit + (cycles - 1) * (self._rate - BEAT_CREDIT)


class Planner:
    """`hw.bus.burst_reader.BurstPlanner`: a burst every other cycle."""

    def __init__(self, data_bytes: int) -> None:
        self._burst = burst_beats(data_bytes)
        self._beat = 0  # of the next burst, modulo the longest
        self._remaining = 0
        self._planned = False
        self.beats = 0

    @property
    def idle(self) -> bool:
        return self._remaining == 0

    @property
    def valid(self) -> bool:
        return self._planned

    def command(self, beat: int, beats: int) -> None:
        """Takes a command; only in a cycle in which it is idle, after ``step``."""
        self._beat, self._remaining = beat % self._burst, beats

    def horizon(self) -> int:
        return 1 if self._remaining and not self._planned else FOREVER

    def step(self, *, issue: bool) -> None:
        if issue:
            self._planned = False
            self._beat = (self._beat + self.beats) % self._burst
            self._remaining -= self.beats
        elif self._remaining and not self._planned:
            self._planned = True
            self.beats = min(self._remaining, self._burst - self._beat)


class Reader:
    """`hw.bus.burst_reader.BurstReader`: bursts as its queue has room, beats in order."""

    def __init__(self, data_bytes: int, depth: int) -> None:
        self._planner = Planner(data_bytes)
        self._room = depth
        self._arrivals = Line(READER_LATENCY - 1)  # less the cycle in which a beat becomes visible
        self.address_beats = 0  # of the offered burst; 0: none
        self.level = 0  # beats that can be taken
        self.arriving = False
        self.take = False  # set by the user once a cycle
        self._issue = False

    @property
    def ready(self) -> bool:
        """A command is accepted."""
        return self._planner.idle

    @property
    def offers(self) -> int:
        """Cycles in which a beat can be taken, if it is taken in each."""
        return FOREVER if self.level and self.arriving else self.level

    def look(self, now: int) -> None:
        self._arrivals.look(now)
        self.arriving = self._arrivals.active
        self.take = False

    def plan(self, now: int, *, granted: bool, moves: bool) -> int:
        """``granted``: the address at its output, if any, is accepted. ``moves``: a beat comes."""
        planner = self._planner
        self._issue = False
        horizon = min(planner.horizon(), self._arrivals.horizon(now, enters=moves))
        if not self.level and self.arriving:
            horizon = 1
        if planner.valid and (not self.address_beats or granted):
            self._issue = self._room >= planner.beats
            if self._issue:
                horizon = 1
            elif self.take:
                horizon = min(horizon, planner.beats - self._room)
        if self.address_beats and granted:
            horizon = 1
        return horizon

    def step(self, cycles: int, *, granted: bool) -> None:
        planner = self._planner
        if self.take:
            self.level -= cycles
            self._room += cycles
        if self.arriving:
            self.level += cycles
        if granted:
            self.address_beats = 0
        if self._issue:
            self.address_beats = planner.beats
            self._room -= planner.beats
        planner.step(issue=self._issue)

    def command(self, beat: int, beats: int) -> None:
        """Accepts a command, after ``step``."""
        self._planner.command(beat, beats)

    def arrive(self, now: int, cycles: int) -> None:
        self._arrivals.push(now, cycles)


class ReadChannel:
    """The slave of one read channel, and the arbiter in front of it if it has two readers."""

    def __init__(self, timing: MemoryTiming, *readers: Reader) -> None:
        self._timing = timing
        self._readers = readers
        self._pace = Pace(timing.rate)
        self._bursts: deque[list[int]] = deque()  # reader, beats left, due
        self._last = 0
        self._chosen = 0
        self._locked = False
        self._moves = False
        self._ready = False

    def look(self, now: int) -> int:
        """Beats of this cycle; then the readers' users decide."""
        horizon = FOREVER
        self._moves = False
        bursts = self._bursts
        if bursts:
            _, beats, due = bursts[0]
            if due > now:
                horizon = due - now
            else:
                horizon = min(beats, self._pace.horizon())
                self._moves = horizon > 0
                horizon = max(horizon, 1)
        self._ready = len(bursts) < self._timing.outstanding
        self._choose()
        return horizon

    def _choose(self) -> None:
        self._chosen = self._last
        if len(self._readers) > 1 and not self._locked:
            other = 1 - self._last
            if self._readers[other].address_beats:
                self._chosen = other

    def plan(self, now: int) -> int:
        horizon = FOREVER
        source = self._bursts[0][0] if self._moves else -1
        for number, reader in enumerate(self._readers):
            granted = self._ready and number == self._chosen
            moves = number == source
            horizon = min(horizon, reader.plan(now, granted=granted, moves=moves))
        return 1 if self._chosen != self._last else horizon

    def step(self, now: int, cycles: int) -> None:
        self._pace.step(cycles, moved=self._moves)
        if self._moves:
            burst = self._bursts[0]
            self._readers[burst[0]].arrive(now, cycles)
            burst[1] -= cycles
            if not burst[1]:
                self._bursts.popleft()
        asked = self._readers[self._chosen].address_beats
        if asked and self._ready:
            self._bursts.append([self._chosen, asked, now + self._timing.latency])
        self._last = self._chosen
        self._locked = bool(asked) and not self._ready
        for number, reader in enumerate(self._readers):
            granted = self._ready and number == self._chosen and bool(reader.address_beats)
            reader.step(cycles, granted=granted)


class WriteChannel:
    """`hw.bus.burst_writer.BurstWriter` and the slave behind it."""

    def __init__(self, timing: MemoryTiming, data_bytes: int) -> None:
        self._timing = timing
        self._pace = Pace(timing.rate)
        self._planner = Planner(data_bytes)
        self._queue: deque[int] = deque()  # beats of bursts whose data is to come
        self._left = 0
        self._address_beats = 0
        self._beat_valid = False  # at the W channel
        self._unanswered = 0
        self._bursts: deque[int] = deque()  # in the slave: beats left
        self._responses: deque[int] = deque()  # cycles in which they are due
        self.take = False  # a beat of the user's is taken

    @property
    def ready(self) -> bool:
        """A command is accepted."""
        return self._planner.idle

    @property
    def idle(self) -> bool:
        return not self._address_beats and not self._unanswered and self._planner.idle

    def command(self, beat: int, beats: int) -> None:
        """Accepts a command, after ``step``."""
        self._planner.command(beat, beats)

    def plan(self, now: int, *, offered: bool) -> int:
        """``offered``: the user has a beat."""
        planner = self._planner
        slave_ready = len(self._bursts) + len(self._responses) < self._timing.outstanding
        pace = self._pace.horizon() if self._bursts else 0
        self._moves = self._beat_valid and pace > 0
        advance = not self._beat_valid or pace > 0
        self.take = self._left > 0 and advance and offered
        self._accepted = bool(self._address_beats) and slave_ready
        free = not self._address_beats or slave_ready
        room = len(self._queue) < BURSTS and self._unanswered != BURSTS
        self._issue = planner.valid and free and room
        self._fetch = bool(self._queue)
        self._answer = bool(self._responses) and self._responses[0] <= now
        self._advance = advance

        if self._accepted or self._issue or self._answer or self._beat_valid != self.take:
            return 1
        if self._fetch and not self._left:
            return 1
        horizon = planner.horizon()
        if self._moves:
            horizon = min(horizon, pace, self._bursts[0])
        if self.take:
            horizon = min(horizon, self._left)
        if self._responses:
            horizon = min(horizon, self._responses[0] - now)
        return horizon

    def step(self, now: int, cycles: int) -> None:
        self._pace.step(cycles, moved=self._moves)
        if self._answer:
            self._responses.popleft()
            self._unanswered -= 1
        if self._moves:
            self._bursts[0] -= cycles
            if not self._bursts[0]:
                self._bursts.popleft()
                self._responses.append(now + cycles - 1 + self._timing.latency)
        if self._advance:
            self._beat_valid = self.take
        if self.take:
            self._left -= cycles
        if self._fetch and not self._left:
            self._left = self._queue.popleft()
        if self._accepted:
            self._bursts.append(self._address_beats)
            self._address_beats = 0
        if self._issue:
            self._address_beats = self._planner.beats
            self._queue.append(self._planner.beats)
            self._unanswered += 1
        self._planner.step(issue=self._issue)
