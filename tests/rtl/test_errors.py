"""Every fault ends a run with its own code, and the overlay computes correctly afterwards."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dse.program import Program
from dse.program.instruction import Instruction
from hw.bus.registers import Status
from hw.config import ISA_VERSION
from hw.isa import INSTRUCTION_BYTES, Error, Opcode
from sim.fast.job import Job, Run, Timing
from tests.rtl.overlays import OVERLAYS, Case, job, simulation, verify
from tests.sim.test_functional import branchy, check

NAME = "3x4"
CASE = Case(branchy())
WATCHDOG = 400
FOREVER = 1 << 40
OUTSIDE = 1 << 39  # an offset beyond all memory
BURSTS = 64  # more than a run has on any channel


@functools.cache
def program() -> Program:
    return CASE.compile(OVERLAYS[NAME])


def broken(instructions: Iterable[Instruction] | None = None, **options: Any) -> Job:
    """The job with other instructions, timing or bytes."""
    if instructions is not None:
        options["program"] = b"".join(one.encode() for one in instructions)
    return replace(job(CASE, program()), **{"limit": 50_000, "watchdog": WATCHDOG} | options)


def run(bad: Sequence[Job]) -> list[Run]:
    """Runs jobs, each followed by the sound one, which must be right; the runs of the former."""
    sound = broken()
    runs = simulation(NAME).run(*itertools.chain.from_iterable((one, sound) for one in bad))
    verify_all(runs[1::2])
    return runs[::2]


def verify_all(runs: Sequence[Run]) -> None:
    for one in runs:
        verify(CASE, program(), iter([one]))
        assert one.registers["status"] == 0


def fails(one: Run, error: Error, tag: int | None = None) -> None:
    assert one.error is error
    assert one.registers["status"] & 1 << Status.ERROR
    assert not one.registers["status"] & 1 << Status.RUNNING
    assert tag is None or one.error_tag == tag


def changed(number: int, **fields: int) -> tuple[Instruction, ...]:
    """The instructions with other fields in one of them."""
    instructions = list(program().instructions)
    one = instructions[number]
    instructions[number] = replace(one, fields={**one.fields, **fields})
    return tuple(instructions)


def opcode_changed(number: int, opcode: int) -> bytes:
    words = bytearray(program().words)
    words[number * INSTRUCTION_BYTES] = opcode
    return bytes(words)


def numbers(opcode: Opcode) -> list[int]:
    return [n for n, one in enumerate(program().instructions) if one.opcode is opcode]


def test_programs_that_do_not_begin() -> None:
    words = program().words
    other = check(branchy(), OVERLAYS["5x3"], seeds=0).words
    version, configuration = ISA_VERSION + 1, OVERLAYS[NAME].hash ^ 1
    faults = [
        (broken(program=words[INSTRUCTION_BYTES:]), Error.MISSING_BEGIN),
        (broken(program=bytes(len(words))), Error.MISSING_BEGIN),
        (broken(changed(0, isa_version=version)), Error.ISA_VERSION),
        (broken(changed(0, configuration=configuration)), Error.CONFIGURATION),
        (broken(program=other), Error.CONFIGURATION),
    ]
    for one, (_, error) in zip(run([made for made, _ in faults]), faults, strict=True):
        fails(one, error)


@pytest.mark.parametrize("opcode", [0, max(Opcode) + 1, 0xFF])
def test_illegal_opcodes(opcode: int) -> None:
    """In place of any instruction, END included."""
    places = range(1, len(program().instructions))
    runs = run([broken(program=opcode_changed(number, opcode)) for number in places])
    for one, number in zip(runs, places, strict=True):
        fails(one, Error.ILLEGAL_OPCODE, program().instructions[number].field("tag"))


def test_a_program_without_end() -> None:
    count = len(program().instructions)
    (one,) = run([broken(changed(0, instructions=count - 1))])
    fails(one, Error.ILLEGAL_OPCODE)


@pytest.mark.parametrize("stall", [0, 40])
@pytest.mark.parametrize(
    ("fault", "error", "least"),
    [
        ("error_read0", Error.BUS_READ, 6),
        ("error_read1", Error.BUS_READ, 5),
        ("error_write", Error.BUS_WRITE, 2),
    ],
)
def test_error_responses(fault: str, error: Error, least: int, stall: int) -> None:
    """To each burst in turn, until there are no more."""
    timings = [Timing(stall=stall, seed=n + 1, **{fault: n}) for n in range(BURSTS)]
    runs = run([broken(timing=timing) for timing in timings])
    count = [one.error for one in runs].index(Error.NONE)
    assert count >= least
    for one in runs[:count]:
        fails(one, error)
    verify_all(runs[count:])


@pytest.mark.parametrize(
    ("opcode", "error"),
    [
        (Opcode.LOAD, Error.BUS_READ),
        (Opcode.WEIGHTS, Error.BUS_READ),
        (Opcode.STORE, Error.BUS_WRITE),
    ],
)
def test_addresses_outside_the_memory(opcode: Opcode, error: Error) -> None:
    """The tag is the instruction's; weights are read ahead, it may be that of an earlier one."""
    places = numbers(opcode)
    runs = run([broken(changed(number, offset=OUTSIDE)) for number in places])
    for one, number in zip(runs, places, strict=True):
        fails(one, error)
        tag = program().instructions[number].field("tag")
        assert one.error_tag == tag or (opcode is Opcode.WEIGHTS and one.error_tag < tag)


@pytest.mark.parametrize("stall", [0, 40])
def test_hung_memory(stall: int) -> None:
    """From any cycle on; the next start is served once the memory moves again."""
    (whole,) = run([broken(timing=Timing(stall=stall))])
    starts = range(0, whole.cycles - 50, 53)
    timings = [Timing(stall=stall, hang_at=at, hang_for=FOREVER) for at in starts]
    for one in run([broken(timing=timing) for timing in timings]):
        fails(one, Error.WATCHDOG)
        assert WATCHDOG < one.cycles < whole.cycles + 2 * WATCHDOG


def test_a_pause_of_the_memory_is_no_error() -> None:
    pauses = [Timing(hang_at=at, hang_for=WATCHDOG - 20) for at in range(0, 2000, 97)]
    verify_all(run([broken(timing=timing) for timing in pauses]))


def test_a_token_that_never_comes() -> None:
    """Any post withheld: what waits for it never starts, what runs comes to its end."""
    posts = [n for n, one in enumerate(program().instructions) if one.field("post")]
    assert len(posts) > 5
    for one in run([broken(changed(number, post=0)) for number in posts]):
        fails(one, Error.WATCHDOG)


def test_weights_that_never_come() -> None:
    instructions = changed(0, instructions=len(program().instructions) - 1)
    last = numbers(Opcode.WEIGHTS)[-1]
    tag = instructions[numbers(Opcode.CONV)[-1]].field("tag")
    (one,) = run([broken(instructions[:last] + instructions[last + 1 :])])
    fails(one, Error.WATCHDOG, tag)


def test_faults_in_a_row() -> None:
    """Of all kinds, each several times, in any order, without a sound run between them."""
    middle = len(program().instructions) // 2
    kinds = {
        Error.ILLEGAL_OPCODE: broken(program=opcode_changed(middle, 0)),
        Error.ISA_VERSION: broken(changed(0, isa_version=0)),
        Error.CONFIGURATION: broken(changed(0, configuration=0)),
        Error.MISSING_BEGIN: broken(program=program().words[INSTRUCTION_BYTES:]),
        Error.BUS_READ: broken(timing=Timing(error_read1=3, stall=20)),
        Error.BUS_WRITE: broken(timing=Timing(error_write=0, stall=20)),
        Error.WATCHDOG: broken(timing=Timing(hang_at=700, hang_for=FOREVER)),
    }
    assert set(kinds) == set(Error) - {Error.NONE}
    order = [*kinds] * 6
    random.Random(1).shuffle(order)
    runs = simulation(NAME).run(*(kinds[error] for error in order), broken())
    for one, error in zip(runs, order, strict=False):
        fails(one, error)
    verify_all(runs[-1:])
