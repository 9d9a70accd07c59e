"""WEIGHTS: segments of words from DRAM into the weight buffer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dse.assembly.instruction import Instruction
from dse.cycles.buffer import Buffer
from dse.cycles.bus import Reader
from dse.cycles.flow import Issuer
from dse.cycles.line import FOREVER
from hw.isa.config import OverlayConfig
from hw.move.weights import AHEAD


@dataclass
class _Job:
    """A segment to read."""

    words: int
    beats_per_word: int
    last: bool


class Segments:
    """`hw.move.weights.Segments`: a command and a job for every segment and repetition."""

    def __init__(self, data_bytes: int) -> None:
        self._bytes = data_bytes
        self._code: Instruction | None = None
        self._multiply = 0  # cycles until the walk
        self._segments = 0  # left
        self._repeats = 0
        self._beat = 0
        self.command: tuple[int, int] | None = None
        self.job: _Job | None = None

    @property
    def ready(self) -> bool:
        return self._code is None

    def plan(self, *, commanded: bool, taken: bool) -> int:
        free = (self.command is None or commanded) and (self.job is None or taken)
        self._walks = self._code is not None and not self._multiply and free
        if commanded or taken or self._walks:
            return 1
        return self._multiply or FOREVER

    def step(self, cycles: int, *, commanded: bool, taken: bool) -> None:
        if commanded:
            self.command = None
        if taken:
            self.job = None
        if self._multiply:
            self._multiply -= cycles
        elif self._walks:
            self._walk()

    def _walk(self) -> None:
        code = self._code
        assert code is not None
        per_word = code.field("beats_per_word")
        last = self._segments == 1
        words = code.field("last_words" if last else "segment_words")
        self.command = self._beat, words * per_word
        self._repeats -= 1
        self.job = _Job(words, per_word, last and not self._repeats)
        if self._repeats:
            return
        self._repeats = code.field("repeats")
        self._beat += code.field("segment_words") * per_word
        self._segments -= 1
        if not self._segments:
            self._code = None

    def accept(self, code: Instruction) -> None:
        """After ``step``."""
        self._code = code
        self._multiply = max(1, code.field("beats_per_word").bit_length())
        self._segments = code.field("segments")
        self._repeats = code.field("repeats")
        self._beat = code.field("offset") // self._bytes


class WeightReader:
    """`hw.move.weights.WeightReader`."""

    def __init__(
        self, config: OverlayConfig, reader: Reader, buffer: Buffer, issuer: Issuer
    ) -> None:
        self._reader = reader
        self._buffer = buffer
        self._issuer = issuer
        self._segments = Segments(config.axi_bytes)
        self._jobs: deque[_Job] = deque()
        self._beat = 0  # of the word
        self._left = 0  # beats of the job
        self._word = False  # waits for the buffer
        self._final = False
        self._retires = False

    def look(self) -> None:
        self._issuer.accepts = self._segments.ready
        self._issuer.retires = self._retires

    def plan(self) -> int:
        """The consumer has decided on its pops before."""
        reader, buffer, jobs = self._reader, self._buffer, self._jobs
        self._commanded = self._segments.command is not None and reader.ready
        self._taken = self._segments.job is not None and len(jobs) < AHEAD
        horizon = self._segments.plan(commanded=self._commanded, taken=self._taken)
        self._fits = buffer.free > 0
        reader.take = bool(jobs) and (not self._word or self._fits) and reader.level > 0
        if self._retires or (self._word and (self._final or not reader.take)):
            if self._word and not self._fits and not self._retires:
                frees = buffer.coming or (buffer.pops and not buffer.holds)
                return min(horizon, 1 if frees else FOREVER)
            return 1
        if not reader.take:
            return horizon
        words = max(1, buffer.free - 1)
        steady = 1 if buffer.free < 2 else words * jobs[0].beats_per_word
        if buffer.pops and not buffer.holds and buffer.free > 0 and buffer.free + buffer.coming > 1:
            steady = FOREVER
        return min(horizon, reader.offers, self._left, steady)

    def step(self, cycles: int) -> None:
        reader, jobs = self._reader, self._jobs
        written = fresh = 0
        self._retires = False
        if self._word and self._fits:
            written, fresh = 1, int(cycles == 1)
            self._retires = self._final
            self._word = False
        if reader.take:
            job = jobs[0]
            if cycles > 1:
                fresh = int((self._beat + cycles - 1) % job.beats_per_word == 0)
            ended, self._beat = divmod(self._beat + cycles, job.beats_per_word)
            self._left -= cycles
            self._word = ended > 0 and self._beat == 0
            written += ended - self._word
            if not self._left:
                self._final = job.last
                jobs.popleft()
                self._start()
            elif ended:
                self._final = False
        self._buffer.step(cycles, written, fresh)
        if self._taken:
            assert self._segments.job is not None
            jobs.append(self._segments.job)
            if len(jobs) == 1:
                self._start()
        if self._commanded:
            assert self._segments.command is not None
            reader.command(*self._segments.command)
        self._segments.step(cycles, commanded=self._commanded, taken=self._taken)
        if self._issuer.started is not None:
            self._segments.accept(self._issuer.started)

    def _start(self) -> None:
        self._left = self._jobs[0].words * self._jobs[0].beats_per_word if self._jobs else 0
