"""LOAD and STORE."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from dse.assembly.instruction import Instruction
from dse.cycles.bus import Reader, WriteChannel
from dse.cycles.flow import Issuer
from dse.cycles.line import FOREVER, Line
from hw.isa import MemorySpace
from hw.isa.config import PARAMETER_BYTES, OverlayConfig, ceil_div
from hw.isa.timing import READ_LATENCY, STORE_LATENCY
from hw.move.load import AHEAD
from hw.move.store import ROOM


@dataclass(frozen=True)
class Move:
    """The data's side of a transfer: bytes from ``skew`` to ``lanes`` of successive beats."""

    space: int
    first_beat: int
    skew: int
    lanes: int

    @classmethod
    def of(cls, instruction: Instruction, data_bytes: int) -> Move:
        offset, size = instruction.field("offset"), instruction.field("bytes")
        skew = offset % data_bytes
        lanes = skew + size if size else 0
        return cls(instruction.field("space"), offset // data_bytes, skew, lanes)

    def beats(self, data_bytes: int) -> int:
        return ceil_div(self.lanes, data_bytes)


class _Step(enum.Enum):
    IDLE = 0
    ADD = 1
    SEND = 2


class Transfer:
    """`hw.move.transfer.Transfer`."""

    def __init__(self, data_bytes: int) -> None:
        self._bytes = data_bytes
        self._state = _Step.IDLE
        self._incoming: Move | None = None
        self.command: tuple[int, int] | None = None
        self.job: Move | None = None

    @property
    def ready(self) -> bool:
        return self._state is _Step.IDLE

    def plan(self) -> int:
        self._sent = self._state is _Step.SEND and self.command is None and self.job is None
        return 1 if self._state is _Step.ADD or self._sent else FOREVER

    def step(self, *, commanded: bool, taken: bool) -> None:
        """``commanded``, ``taken``: command and job were accepted."""
        if commanded:
            self.command = None
        if taken:
            self.job = None
        if self._state is _Step.ADD:
            assert self._incoming is not None
            self.job = self._incoming
            self.command = self.job.first_beat, self.job.beats(self._bytes)
            self._state = _Step.SEND
        elif self._sent:
            self._state = _Step.IDLE

    def accept(self, instruction: Instruction) -> None:
        """After ``step``."""
        self._incoming = Move.of(instruction, self._bytes)
        self._state = _Step.ADD


class Load:
    """`hw.move.load.Load`."""

    def __init__(self, config: OverlayConfig, reader: Reader, issuer: Issuer) -> None:
        self._bytes = config.axi_bytes
        self._reader = reader
        self._issuer = issuer
        self._transfer = Transfer(self._bytes)
        self._jobs: deque[Move] = deque()
        self._job: Move | None = None
        self._left = 0  # beats
        self._slot = 0  # record of the beat
        self._retires = False

    def look(self) -> None:
        self._issuer.accepts = self._transfer.ready
        self._issuer.retires = self._retires

    @property
    def writes(self) -> bool:
        """A tensor memory write is offered."""
        job = self._job
        return job is not None and job.space == MemorySpace.TENSOR and self._reader.level > 0

    def plan(self, *, granted: bool) -> int:
        reader, transfer = self._reader, self._transfer
        self._commanded = transfer.command is not None and reader.ready
        self._taken = transfer.job is not None and len(self._jobs) < AHEAD
        self._begins = self._job is None and bool(self._jobs)
        horizon = transfer.plan()
        if self._commanded or self._taken or self._begins or self._retires:
            horizon = 1
        job = self._job
        self._offered = job is not None and reader.level > 0
        if job is None or not self._offered:
            return horizon
        if job.space == MemorySpace.PARAMETER and self._bytes > PARAMETER_BYTES:
            reader.take = self._slot + 1 == self._slots(job)
            return 1
        reader.take = job.space == MemorySpace.PARAMETER or granted
        return min(horizon, reader.offers, self._left) if reader.take else horizon

    def _slots(self, job: Move) -> int:
        """Records in the present beat."""
        beats = job.beats(self._bytes)
        low = job.skew if self._left == beats else 0
        high = job.lanes - (beats - 1) * self._bytes if self._left == 1 else self._bytes
        return max(1, ceil_div(high, PARAMETER_BYTES) - low // PARAMETER_BYTES)

    def step(self, cycles: int) -> None:
        transfer = self._transfer
        self._retires = False
        if self._offered:
            self._move(cycles)
        if self._begins:
            self._begin(self._jobs.popleft())
        if self._taken:
            assert transfer.job is not None
            self._jobs.append(transfer.job)
        if self._commanded:
            assert transfer.command is not None
            self._reader.command(*transfer.command)
        transfer.step(commanded=self._commanded, taken=self._taken)
        if self._issuer.started is not None:
            transfer.accept(self._issuer.started)

    def _begin(self, job: Move) -> None:
        if job.lanes:
            self._job, self._left = job, job.beats(self._bytes)
        else:
            self._retires = True

    def _move(self, cycles: int) -> None:
        if not self._reader.take:
            self._slot += self._job is not None and self._job.space == MemorySpace.PARAMETER
            return
        self._slot = 0
        self._left -= cycles
        if not self._left:
            self._job, self._retires = None, True


class Store:
    """`hw.move.store.Store`."""

    def __init__(self, config: OverlayConfig, channel: WriteChannel, issuer: Issuer) -> None:
        self._bytes = config.axi_bytes
        self._channel = channel
        self._issuer = issuer
        self._transfer = Transfer(self._bytes)
        self._busy = False  # from the instruction to its retirement
        self._moves = False
        self._done = False
        self._retires = deque([False] * STORE_LATENCY, STORE_LATENCY)  # the next one first
        self._to_ask = 0  # beats
        self._to_write = 0
        self._room = ROOM
        self._answers = Line(READ_LATENCY)
        self._level = 0

    def look(self, now: int) -> None:
        self._issuer.accepts = not self._busy and self._transfer.ready
        done = self._moves and not self._to_write and self._transfer.command is None
        self._done = done and self._channel.idle
        self._issuer.retires = self._retires[0]
        self._answers.look(now)

    @property
    def reads(self) -> bool:
        """A tensor memory read is offered."""
        return self._to_ask > 0 and self._room > 0

    def plan(self, now: int, *, granted: bool) -> int:
        transfer, channel = self._transfer, self._channel
        self._commanded = transfer.command is not None and channel.ready
        self._taken = self._busy and not self._moves and transfer.job is not None
        horizon = min(transfer.plan(), channel.plan(now, offered=self._level > 0))
        self._asked = self.reads and granted
        if self._commanded or self._taken or self._done or any(self._retires):
            return 1
        horizon = min(horizon, self._answers.horizon(now, enters=self._asked))
        if self._asked:
            horizon = min(horizon, self._to_ask, FOREVER if channel.take else self._room)
        elif self._to_ask and channel.take:
            return 1
        if channel.take and not self._answers.active:
            horizon = min(horizon, self._level)
        elif not self._level and self._answers.active:
            return 1
        return horizon

    def step(self, now: int, cycles: int) -> None:
        transfer, channel = self._transfer, self._channel
        if self._asked:
            self._to_ask -= cycles
            self._room -= cycles
            self._answers.push(now, cycles)
        if channel.take:
            self._to_write -= cycles
            self._room += cycles
            self._level -= cycles
        if self._answers.active:
            self._level += cycles
        if self._taken:
            assert transfer.job is not None
            self._to_ask = self._to_write = transfer.job.beats(self._bytes)
            self._moves = True
        channel.step(now, cycles)
        if self._commanded:
            assert transfer.command is not None
            channel.command(*transfer.command)
        transfer.step(commanded=self._commanded, taken=self._taken)
        if self._issuer.retires:
            self._busy = False
        self._retires.append(self._done)
        if self._done:
            self._moves = False
        if self._issuer.started is not None:
            self._busy = True
            transfer.accept(self._issuer.started)
