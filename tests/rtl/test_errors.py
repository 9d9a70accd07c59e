"""Every fault ends a run with its own code, and the overlay computes correctly afterwards."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.choices import all_choices
from dse.assembly.instruction import Instruction, encode_all, make
from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from hw.isa import (
    INSTRUCTION_BYTES,
    Algorithm,
    Base,
    Dataflow,
    Engine,
    Error,
    MemorySpace,
    Opcode,
    counts,
)
from hw.isa.config import ISA_VERSION, OverlayConfig
from hw.isa.register_map import REGISTERS, Control, Status
from sim.fast.simulated_run import Job, Run, Timing
from sim.runner import _FILES, _Script
from tests.kit.sealing import sealed
from tests.rtl.overlays import OVERLAYS, Case, job, simulation, verify
from tests.sim.test_functional import branchy

pytestmark = pytest.mark.rtl


WATCHDOG = 400
CYCLE_LIMIT = 40_000  # several times what any of the programs takes
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
        *,
        stale: bool = False,
        **options: Any,
    ) -> Job:
        """The job with other instructions, timing or bytes.

        Instructions get the checksum that belongs to them, unless it is to be ``stale``.  Limits
        are tight, so that whatever has no end of its own gets one before ``limit``.
        """
        made = job(self.case, self.program)
        if instructions is not None:
            program = encode_all([*instructions])
            program = program if stale else sealed(program)
        if program is not None:
            made = made.with_program(program)
        limits = {"limit": 50_000, "cycle_limit": CYCLE_LIMIT, "watchdog": WATCHDOG}
        return replace(made, **limits | options)

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

    def tag(self, number: int) -> int:
        """The tag of an instruction."""
        return self.program.instructions[number].field("tag")

    def region_bytes(self, number: int) -> int:
        """Bytes of the region that a LOAD, STORE or WEIGHTS moves from or to; of a stripe."""
        one = self.program.instructions[number]
        base = Base(one.field("base")).name.lower()
        return self.broken().sizes["weights0" if one.opcode is Opcode.WEIGHTS else base]

    def moved_bytes(self, number: int) -> int:
        """Bytes that a LOAD, STORE or WEIGHTS moves; of a stripe."""
        one = self.program.instructions[number]
        if one.opcode is not Opcode.WEIGHTS:
            return one.field("bytes")
        words = (one.field("segments") - 1) * one.field("segment_words") + one.field("last_words")
        return words * one.field("beats_per_word") * self.config.axi_bytes

    def numbers(self, opcode: Opcode) -> list[int]:
        """Places of all instructions of an opcode."""
        return [n for n, one in enumerate(self.program.instructions) if one.opcode is opcode]


@pytest.fixture(params=[pytest.param("3x4", marks=pytest.mark.slow), "winograd2"], scope="module")
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
    "opcode", [Opcode.LOAD, Opcode.WEIGHTS, Opcode.STORE], ids=lambda opcode: opcode.name
)
def test_accesses_beyond_a_region(target: Target, opcode: Opcode) -> None:
    """By the least that the instruction set can say, and by far; each names its instruction."""
    places = target.numbers(opcode)
    bad = []
    for number in places:
        last = target.region_bytes(number) - target.moved_bytes(number)
        unit = target.config.axi_bytes if opcode is Opcode.WEIGHTS else 1
        bad += [(number, offset) for offset in (last + unit, OUTSIDE)]
    runs = target.run([target.broken(target.changed(n, offset=offset)) for n, offset in bad])
    for one, (number, _) in zip(runs, bad, strict=True):
        fails(one, Error.REGION, target.tag(number))


def test_stores_to_other_regions(target: Target) -> None:
    """Only the output is written."""
    (number, *_) = target.numbers(Opcode.STORE)
    others = [base for base in Base if base is not Base.OUTPUT]
    for one in target.run([target.broken(target.changed(number, base=b)) for b in others]):
        fails(one, Error.REGION, target.tag(number))


def test_a_program_longer_than_its_region(target: Target) -> None:
    count = len(target.program.instructions)
    (one,) = target.run([target.broken(target.changed(0, instructions=count + 1))])
    fails(one, Error.REGION)


def test_counts_of_zero(target: Target) -> None:
    """Each of every kind of instruction, by the gateware and by the compiler."""
    bad = []
    for number, one in enumerate(target.program.instructions):
        for name in counts(one.opcode, one.fields):
            bad.append((number, target.changed(number, **{name: 0})))
            with pytest.raises(ProgramError, match=f"{name} must be at least 1"):
                make(one.opcode, "layer", {**one.fields, name: 0})
    assert len(bad) > 50
    runs = target.run([target.broken(changed) for _, changed in bad])
    for run, (number, _) in zip(runs, bad, strict=True):
        fails(run, Error.FIELD, target.tag(number))


def test_what_the_overlay_does_not_have(target: Target) -> None:
    """Memory beyond its end, tiles beyond the array, what is no table or algorithm."""
    config = target.config
    records = next(
        n
        for n in target.numbers(Opcode.LOAD)
        if target.program.instructions[n].field("space") == MemorySpace.PARAMETER
    )
    conv, pool, load, store, weights = (
        target.numbers(opcode)[-1]
        for opcode in (Opcode.CONV, Opcode.POOL, Opcode.LOAD, Opcode.STORE, Opcode.WEIGHTS)
    )
    direct = {"algorithm": Algorithm.IM2COL, "dataflow": Dataflow.NS}
    winograd = {"algorithm": Algorithm.WINOGRAD2}
    bad: list[tuple[int, dict[str, int]]] = [
        (conv, {"out_address": config.tensor_bytes}),
        (conv, {"residual_address": config.tensor_bytes}),
        (conv, {"dataflow": 3}),
        (conv, {**direct, "channel_tile": config.columns + 1}),
        (conv, {**direct, "pixel_tile": config.rows + 1}),
        (conv, {**direct, **winograd, "patches": 1, "out_rows": 1, "image_width": 1}),
        (conv, {"table": config.tables + 1}),
        (pool, {"table": config.tables + 1}),
        (pool, {"out_address": config.tensor_bytes}),
        (load, {"local": config.tensor_bytes}),
        (store, {"local": config.tensor_bytes}),
        (store, {"space": MemorySpace.PARAMETER}),
        (records, {"local": config.records}),
        (records, {"bytes": 8}),
        (weights, {"beats_per_word": config.weight_beats + 1}),
    ]
    runs = target.run([target.broken(target.changed(n, **fields)) for n, fields in bad])
    for run, (number, _) in zip(runs, bad, strict=True):
        fails(run, Error.FIELD, target.tag(number))


def test_a_stale_checksum(target: Target) -> None:
    """Any bit of any instruction: what is computed is never taken for right."""
    words, rng = target.program.words, random.Random(1)
    bits = [rng.randrange(8 * len(words)) for _ in range(60)]
    bits += [8 * len(words) - 1, 8 * (len(words) - INSTRUCTION_BYTES) + 8]  # unused, and END's own
    for run in target.run([target.broken(program=flipped(words, bit)) for bit in bits]):
        assert run.error is not Error.NONE
    harmless = target.changed(target.numbers(Opcode.CONV)[0], zero_point=1)
    unused = [8 * INSTRUCTION_BYTES * (n + 1) - 1 for n in range(len(target.program.instructions))]
    bad = [target.broken(harmless, stale=True)]
    bad += [target.broken(program=flipped(words, bit)) for bit in unused]
    for run in target.run(bad):
        fails(run, Error.CHECKSUM)


def flipped(words: bytes, bit: int) -> bytes:
    changed = bytearray(words)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_cycle_limit(target: Target) -> None:
    """Ends a run within a few cycles of it; a run that ends before is right."""
    (whole,) = target.run([target.broken()])
    target.verify(target.run([target.broken(cycle_limit=whole.cycles + 1)]))
    limits = [1, 2, 10, *range(50, whole.cycles - 5, 97)]
    runs = target.run([target.broken(cycle_limit=limit) for limit in limits])
    for run, limit in zip(runs, limits, strict=True):
        fails(run, Error.CYCLE_LIMIT)
        assert limit <= run.cycles <= limit + 2


def test_a_cycle_limit_names_the_instruction_under_way(target: Target) -> None:
    """In the cycle in which the limit was seen to be reached: CONV's first."""
    (whole,) = target.run([target.broken()])
    cycles = {int(cycle) for cycle in whole.events["cycle"]}
    limits = sorted({cycle - late for cycle in cycles for late in (1, 2) if cycle < whole.cycles})
    runs = simulation(target.name).run(*(target.broken(cycle_limit=limit) for limit in limits))
    for run, limit in zip(runs, limits, strict=True):
        fails(run, Error.CYCLE_LIMIT)
        oldest = under_way(whole, limit + 1)
        first = [engine for engine in BY_PRECEDENCE if engine in oldest]
        assert not first or run.error_tag == oldest[first[0]], limit


BY_PRECEDENCE = (Engine.CONV, Engine.POOL, Engine.STORE, Engine.LOAD)


def under_way(run: Run, cycle: int) -> dict[Engine, int]:
    """Tag of each engine's oldest instruction, by the starts and retirements until a cycle."""
    events = run.events[run.events["cycle"] <= cycle]
    oldest = {}
    for engine in Engine:
        own = events[events["engine"] == engine]
        left = own["tag"][own["retire"] == 0][own["retire"].sum() :]
        if len(left):
            oldest[engine] = int(left[0])
    return oldest


def registers_after(target: Target, cycles: int, *accesses: str) -> list[int]:
    """Values read when a host starts a run, does something else for so long, and then this."""
    control, status = (REGISTERS[name].offset for name in ("control", "status"))
    with tempfile.TemporaryDirectory() as name:
        script = _Script(Path(name))
        script.add(replace(target.broken(), dumps=()))
        script.lines = [line for line in script.lines if not line.startswith("run ")]
        reads = cycles // 3  # a read takes at least three cycles
        script.lines += [f"write {control} {1 << Control.START}", *[f"read {status}"] * reads]
        script.lines += accesses
        script.finish()
        simulation(target.name)._execute(Path(name), None)
        lines = (Path(name) / _FILES[1]).read_text().splitlines()
        return [json.loads(line)["value"] for line in lines[reads:]]


def test_an_end_that_nobody_read(target: Target) -> None:
    """Does not show in the next run."""
    control, status = (REGISTERS[name].offset for name in ("control", "status"))
    (whole,) = target.run([target.broken()])
    start = f"write {control} {1 << Control.START}"
    accesses = [f"read {status}", start, f"read {control}", f"read {status}"]
    before, after, running = registers_after(target, 3 * whole.cycles, *accesses)
    assert before == 0
    assert after == 1 << Control.START
    assert running == 1 << Status.RUNNING


@pytest.mark.parametrize("cycles", [0, 30, 300, 900])
def test_abort(target: Target, cycles: int) -> None:
    """Ends a run at any time; without a run it does nothing."""
    control, error = (REGISTERS[name].offset for name in ("control", "error"))
    abort = f"write {control} {1 << Control.ABORT}"
    idle = [f"read {control}"] * 400  # bursts under way come to their end
    again = [abort, f"write {control} {1 << Control.START}", f"read {control}"]
    first, *values = registers_after(
        target, cycles, abort, f"read {control}", f"read {error}", *idle, *again
    )
    assert first & ~(1 << Control.IDLE) == 1 << Control.DONE | 1 << Control.READY
    assert values[0] == Error.ABORTED
    assert values[-2] == 1 << Control.IDLE
    assert values[-1] == 1 << Control.START


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


def test_a_long_pooling_is_no_error() -> None:
    """Of more cycles than the watchdog allows without progress."""
    target = Target("2x2")
    (one,) = target.run([target.broken()])
    places = one.events[one.events["engine"] == Engine.POOL]
    lengths = np.diff(places["cycle"])[places["retire"][1:] == 1]
    assert max(lengths) > WATCHDOG
    target.verify([one])


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
        Error.CHECKSUM: target.broken(target.changed(middle, tag=99), stale=True),
        Error.FIELD: target.broken(target.changed(target.numbers(Opcode.CONV)[1], channels=0)),
        Error.REGION: target.broken(target.changed(target.numbers(Opcode.STORE)[0], base=0)),
        Error.CYCLE_LIMIT: target.broken(cycle_limit=whole.cycles // 2),
    }
    assert set(kinds) == set(Error) - {Error.NONE, Error.ABORTED}
    order = [*kinds] * 6
    random.Random(1).shuffle(order)
    runs = simulation(target.name).run(*(kinds[error] for error in order), target.broken())
    for one, error in zip(runs, order, strict=False):
        fails(one, error)
    target.verify(runs[-1:])
