"""Every fault ends a run with its own code, and the overlay computes correctly afterwards."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest

from dse.program import Program
from dse.program.instruction import Instruction
from hw.bus.registers import Status
from hw.config import ISA_VERSION, OverlayConfig
from hw.isa import INSTRUCTION_BYTES, Error, Opcode
from sim.bench.choices import all_choices
from sim.fast.job import Job, Run, Timing
from tests.rtl.overlays import OVERLAYS, Case, job, simulation, verify
from tests.sim.test_functional import branchy

pytestmark = pytest.mark.rtl


WATCHDOG = 400
FOREVER = 1 << 40
OUTSIDE = 1 << 39  # an offset beyond all memory


@dataclass(frozen=True)
class Target:
    """An overlay and the network that runs on it, sound or broken."""

    name: str

    @property
    def config(self) -> OverlayConfig:
        return OVERLAYS[self.name]

    @cached_property
    def case(self) -> Case:
        """Convolutions in all ways, the rarest first."""
        return Case(branchy(), tuple(reversed(all_choices(self.config))))

    @cached_property
    def program(self) -> Program:
        return self.case.compile(self.config)

    def broken(
        self,
        instructions: Iterable[Instruction] | None = None,
        program: bytes | None = None,
        **options: Any,
    ) -> Job:
        """The job with other instructions, timing or bytes."""
        made = job(self.case, self.program)
        if instructions is not None:
            program = b"".join(one.encode() for one in instructions)
        if program is not None:
            made = made.with_program(program)
        return replace(made, **{"limit": 50_000, "watchdog": WATCHDOG} | options)

    def run(self, bad: Sequence[Job]) -> list[Run]:
        """Runs jobs, each followed by the sound one, which must be right; runs of the former."""
        sound = self.broken()
        jobs = itertools.chain.from_iterable((one, sound) for one in bad)
        runs = simulation(self.name).run(*jobs)
        self.verify(runs[1::2])
        return runs[::2]

    def verify(self, runs: Sequence[Run]) -> None:
        """Sound runs."""
        for one in runs:
            verify(self.case, self.program, iter([one]))
            assert one.registers["status"] == 0

    def changed(self, number: int, **fields: int) -> tuple[Instruction, ...]:
        """The instructions with other fields in one of them."""
        instructions = list(self.program.instructions)
        one = instructions[number]
        instructions[number] = replace(one, fields={**one.fields, **fields})
        return tuple(instructions)

    def opcode_changed(self, number: int, opcode: int) -> bytes:
        """The program with another opcode in one instruction."""
        words = bytearray(self.program.words)
        words[number * INSTRUCTION_BYTES] = opcode
        return bytes(words)

    def numbers(self, opcode: Opcode) -> list[int]:
        """Places of all instructions of an opcode."""
        return [n for n, one in enumerate(self.program.instructions) if one.opcode is opcode]


@pytest.fixture(params=["3x4", "winograd2"], scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    return Target(request.param)


def fails(one: Run, error: Error, tag: int | None = None) -> None:
    assert one.error is error
    assert one.registers["status"] & 1 << Status.ERROR
    assert not one.registers["status"] & 1 << Status.RUNNING
    assert tag is None or one.error_tag == tag


def test_programs_that_do_not_begin(target: Target) -> None:
    words = target.program.words
    other = Case(branchy()).compile(OVERLAYS["5x3"]).words
    version, configuration = ISA_VERSION + 1, target.config.hash ^ 1
    faults = [
        (target.broken(program=words[INSTRUCTION_BYTES:]), Error.MISSING_BEGIN),
        (target.broken(program=bytes(len(words))), Error.MISSING_BEGIN),
        (target.broken(target.changed(0, isa_version=version)), Error.ISA_VERSION),
        (target.broken(target.changed(0, configuration=configuration)), Error.CONFIGURATION),
        (target.broken(program=other), Error.CONFIGURATION),
    ]
    for one, (_, error) in zip(target.run([made for made, _ in faults]), faults, strict=True):
        fails(one, error)


@pytest.mark.parametrize("opcode", [0, max(Opcode) + 1, 0xFF])
def test_illegal_opcodes(target: Target, opcode: int) -> None:
    """In place of any instruction, END included."""
    places = range(1, len(target.program.instructions))
    runs = target.run(
        [target.broken(program=target.opcode_changed(number, opcode)) for number in places]
    )
    for one, number in zip(runs, places, strict=True):
        fails(one, Error.ILLEGAL_OPCODE, target.program.instructions[number].field("tag"))


def test_a_program_without_end(target: Target) -> None:
    count = len(target.program.instructions)
    (one,) = target.run([target.broken(target.changed(0, instructions=count - 1))])
    fails(one, Error.ILLEGAL_OPCODE)


@pytest.mark.parametrize(
    ("opcode", "error"),
    [
        (Opcode.LOAD, Error.BUS_READ),
        (Opcode.WEIGHTS, Error.BUS_READ),
        (Opcode.STORE, Error.BUS_WRITE),
    ],
)
def test_addresses_outside_the_memory(target: Target, opcode: Opcode, error: Error) -> None:
    """The tag is the instruction's; weights are read ahead, it may be that of an earlier one."""
    places = target.numbers(opcode)
    runs = target.run([target.broken(target.changed(number, offset=OUTSIDE)) for number in places])
    for one, number in zip(runs, places, strict=True):
        fails(one, error)
        tag = target.program.instructions[number].field("tag")
        assert one.error_tag == tag or (opcode is Opcode.WEIGHTS and one.error_tag < tag)


@pytest.mark.parametrize("stall", [0, 40])
def test_hung_memory(target: Target, stall: int) -> None:
    """From any cycle on; the next start is served once the memory moves again."""
    (whole,) = target.run([target.broken(timing=Timing(stall=stall))])
    starts = range(0, whole.cycles - 50, 53)
    timings = [Timing(stall=stall, hang_at=at, hang_for=FOREVER) for at in starts]
    for one in target.run([target.broken(timing=timing) for timing in timings]):
        fails(one, Error.WATCHDOG)
        assert WATCHDOG < one.cycles < whole.cycles + 2 * WATCHDOG


def test_a_pause_of_the_memory_is_no_error(target: Target) -> None:
    pauses = [Timing(hang_at=at, hang_for=WATCHDOG - 20) for at in range(0, 2000, 97)]
    target.verify(target.run([target.broken(timing=timing) for timing in pauses]))


def test_a_token_that_never_comes(target: Target) -> None:
    """Any post withheld: what waits for it never starts, what runs comes to its end."""
    posts = [n for n, one in enumerate(target.program.instructions) if one.field("post")]
    assert len(posts) > 5
    for one in target.run([target.broken(target.changed(number, post=0)) for number in posts]):
        fails(one, Error.WATCHDOG)


def test_weights_that_never_come(target: Target) -> None:
    instructions = target.changed(0, instructions=len(target.program.instructions) - 1)
    last = target.numbers(Opcode.WEIGHTS)[-1]
    tag = instructions[target.numbers(Opcode.CONV)[-1]].field("tag")
    (one,) = target.run([target.broken(instructions[:last] + instructions[last + 1 :])])
    fails(one, Error.WATCHDOG, tag)


def test_faults_in_a_row(target: Target) -> None:
    """Of all kinds, each several times, in any order, without a sound run between them.

    The memory hangs late: a run starts when the bursts of the one before have been dropped.
    """
    (whole,) = target.run([target.broken()])
    hang = Timing(hang_at=whole.cycles - 50, hang_for=FOREVER)
    middle = len(target.program.instructions) // 2
    kinds = {
        Error.ILLEGAL_OPCODE: target.broken(program=target.opcode_changed(middle, 0)),
        Error.ISA_VERSION: target.broken(target.changed(0, isa_version=0)),
        Error.CONFIGURATION: target.broken(target.changed(0, configuration=0)),
        Error.MISSING_BEGIN: target.broken(program=target.program.words[INSTRUCTION_BYTES:]),
        Error.BUS_READ: target.broken(timing=Timing(error_read1=3, stall=20)),
        Error.BUS_WRITE: target.broken(timing=Timing(error_write=0, stall=20)),
        Error.WATCHDOG: target.broken(timing=hang),
    }
    assert set(kinds) == set(Error) - {Error.NONE}
    order = [*kinds] * 6
    random.Random(1).shuffle(order)
    runs = simulation(target.name).run(*(kinds[error] for error in order), target.broken())
    for one, error in zip(runs, order, strict=False):
        fails(one, error)
    target.verify(runs[-1:])
