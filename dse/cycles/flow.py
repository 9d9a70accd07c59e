"""Fetch, the engines' instruction queues and the tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dse.assembly.instruction import Instruction
from dse.cycles.bus import Reader
from dse.cycles.line import FOREVER
from hw.control.issue import FLIGHT_DEPTH, QUEUE_DEPTH
from hw.isa import INSTRUCTION_BYTES, Engine, Opcode
from hw.isa.config import OverlayConfig


@dataclass
class Span:
    """One instruction's life: cycles from the start of the run on."""

    instruction: Instruction
    start: int = -1
    retire: int = -1
    waits: Sequence[Engine] = ()


class Tokens:
    """A counter for each ordered pair of engines."""

    def __init__(self) -> None:
        self._count = [[0] * len(Engine) for _ in Engine]  # [source][destination]
        self._posted: list[tuple[Engine, Engine]] = []

    def ready(self, engine: Engine, sources: Sequence[Engine]) -> bool:
        return all(self._count[source][engine] for source in sources)

    def take(self, engine: Engine, sources: Sequence[Engine]) -> None:
        for source in sources:
            self._count[source][engine] -= 1

    def post(self, engine: Engine, destinations: Sequence[Engine]) -> None:
        for destination in destinations:
            self._count[engine][destination] += 1


class Issuer:
    """`hw.control.issue.Issuer` of one engine.

    The engine's own model sets ``accepts`` and ``retires`` for the present cycle.
    """

    def __init__(self, engine: Engine | None, tokens: Tokens) -> None:
        self._engine = engine
        self._tokens = tokens
        self._rows: deque[Span] = deque()  # of its queue
        self._head: Span | None = None  # at its queue's output
        self._flight: deque[Span] = deque()
        self._waits: Sequence[Engine] = ()
        self.spans: list[Span] = []
        self.accepts = False
        self.retires = False
        self.blocked = False
        self.offered: Instruction | None = None  # its tokens are there
        self.started: Instruction | None = None

    @property
    def full(self) -> bool:
        return len(self._rows) == QUEUE_DEPTH - 1

    @property
    def busy(self) -> bool:
        return bool(self._rows or self._head or self._flight)

    @property
    def running(self) -> bool:
        return bool(self._flight)

    def look(self) -> None:
        """What is offered to the engine in this cycle."""
        self.offered, self.blocked = None, False
        if self._head is None:
            return
        if self._engine is not None:
            self._waits = self._head.waits
            self.blocked = not self._tokens.ready(self._engine, self._waits)
        if len(self._flight) < FLIGHT_DEPTH and not self.blocked:
            self.offered = self._head.instruction

    def plan(self) -> int:
        self.started = self.offered if self.accepts else None
        follows = bool(self._rows) and self._head is None
        return 1 if self.started or self.retires or follows else FOREVER

    def step(self, now: int) -> None:
        if self.retires:
            span = self._flight.popleft()
            span.retire = now
            if self._engine is not None:
                self._tokens.post(self._engine, span.instruction.engines("post"))
        if self._head is None:
            self._head = self._rows.popleft() if self._rows else None
        elif self.started:
            self._head.start = now
            self._flight.append(self._head)
            self._head = None
            if self._engine is not None:
                self._tokens.take(self._engine, self._waits)

    def push(self, instruction: Instruction) -> None:
        """From fetch, after ``step``."""
        waits = () if self._engine is None else instruction.engines("wait")
        span = Span(instruction, waits=waits)
        self.spans.append(span)
        self._rows.append(span)


class Fetch:
    """`hw.control.fetch.Fetch` and its `Gather`."""

    def __init__(
        self, instructions: Sequence[Instruction], config: OverlayConfig, reader: Reader
    ) -> None:
        self._instructions = instructions
        self._reader = reader
        self._beats = INSTRUCTION_BYTES // config.axi_bytes
        self._command: tuple[int, int] | None = (0, self._beats) if instructions else None
        self._number = 0  # of the instruction that is gathered
        self._gathered = 0  # beats of it
        self._full = False
        self._pass = False

    @property
    def at_end(self) -> bool:
        """END waits for the engines, or there is no program."""
        if not self._instructions:
            return True
        return self._full and self._instructions[self._number].opcode is Opcode.END

    def plan(self, issuers: dict[Opcode, Issuer]) -> int:
        reader = self._reader
        self._accepted = self._command is not None and reader.ready
        horizon = 1 if self._accepted else FOREVER
        self._pass = False
        self._target: Issuer | None = None
        if not self._full:
            reader.take = reader.level > 0
            if reader.take:
                horizon = min(horizon, reader.offers, self._beats - self._gathered)
            return horizon
        opcode = self._instructions[self._number].opcode
        if opcode is Opcode.BEGIN:
            self._pass = True
        elif opcode is not Opcode.END:
            self._target = issuers[opcode]
            self._pass = not self._target.full
        return 1 if self._pass else horizon

    def step(self, cycles: int) -> None:
        if self._accepted:
            assert self._command is not None
            self._reader.command(*self._command)
            self._command = None
        if self._reader.take:
            self._gathered += cycles
            if self._gathered == self._beats:
                self._gathered, self._full = 0, True
        if not self._pass:
            return
        instruction = self._instructions[self._number]
        if self._target is None:
            rest = len(self._instructions) - 1
            self._command = self._beats, rest * self._beats
        else:
            self._target.push(instruction)
        self._full = False
        self._number += 1
