"""Damaged programs do no harm: ``python -m tests.fuzz.programs --count 2000``.

Each case is a real program that something was done to: bits, fields and instructions changed,
swapped, left out or doubled.  The checksum is that of the changed program, or still the old one.
The RTL runs it, and the good program behind it.  What must hold:

- every run ends,
- with an error, if the checksum is the old one,
- nothing is written outside of the output region,
- the good program is right afterwards, in its own number of cycles.

A changed program whose checksum belongs to it is a program like any other, so it may compute other
results: that is a kind of its own, and counted.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hw.isa import INSTRUCTION_BYTES, Error, decode, encode, limits
from sim.fast.simulated_run import Job, Run, Timing
from sim.simulation import compare, output_tensors
from tests.fuzz.campaign import Batches, Verdict, command
from tests.kit.sealing import sealed
from tests.rtl.overlays import simulation
from tests.rtl.test_errors import WATCHDOG, Target

# Both kinds of elements, 1, 2 and 4 weight ports, one transform and both.
OVERLAYS = ("2x2", "3x4", "f4", "strips", "winograd2")
BATCH = 50  # mutants in one simulator process
SLACK = 4  # a mutant may take so many times the good program's cycles
LATE = 1000  # cycles after the cycle limit at which a run counts as one without an end


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A changed program for an overlay.

    Parameters
    ----------
    overlay : its name in ``tests.rtl.overlays``.
    words : the instructions, END's checksum included.
    stale : the checksum is the good program's.
    name : what was done to it.
    stall : of the memory, see ``Timing``.
    """

    overlay: str
    words: bytes
    stale: bool
    name: str
    stall: int = 0


Words = list[bytes]  # one instruction each


@cache
def target(overlay: str) -> Target:
    """The overlay with its good program, which is compiled once."""
    return Target(overlay)


def instructions(overlay: str) -> Words:
    """The good program's."""
    words = target(overlay).program.words
    size = INSTRUCTION_BYTES
    return [words[at : at + size] for at in range(0, len(words), size)]


def draw(seed: int) -> Mutant:
    """A mutant; a batch of seeds is for one overlay."""
    rng = random.Random(seed)
    overlay = OVERLAYS[seed // BATCH % len(OVERLAYS)]
    good = instructions(overlay)
    change = rng.choice(CHANGES)
    changed = good
    while changed[: len(good)] == good:  # what stands behind END is not of the program
        changed = change(rng, list(good))
    words, stale = b"".join(changed), rng.random() < 0.3
    return Mutant(
        overlay=overlay,
        words=words if stale else sealed(words),
        stale=stale,
        name=change.__name__,
        stall=rng.choice((0, 0, 30)),
    )


def bits(rng: random.Random, made: Words) -> Words:
    """Some bits of anything are flipped."""
    for _ in range(rng.choice((1, 1, 2, 8))):
        number, bit = rng.randrange(len(made)), rng.randrange(8 * INSTRUCTION_BYTES)
        flipped = int.from_bytes(made[number], "little") ^ 1 << bit
        made[number] = flipped.to_bytes(INSTRUCTION_BYTES, "little")
    return made


def fields(rng: random.Random, made: Words) -> Words:
    """Some fields of an instruction get any value, one at an edge, or one near their own."""
    number = rng.randrange(len(made))
    opcode, values = decode(made[number])
    for name in rng.sample(sorted(values), rng.choice((1, 1, 2, 3))):
        low, high = limits(opcode, name)
        near = values[name] + rng.choice((-2, -1, 1, 2, values[name]))
        any_size = rng.randint(low, high) >> rng.randrange(high.bit_length())
        value = rng.choice((any_size, low, high, 0, 1, near, 1 << rng.randrange(high.bit_length())))
        values[name] = min(max(value, low), high)
    made[number] = encode(opcode, values)
    return made


def swapped(rng: random.Random, made: Words) -> Words:
    """Two instructions change places."""
    one, two = rng.sample(range(len(made)), 2)
    two = rng.choice((two, (one + 1) % len(made)))
    made[one], made[two] = made[two], made[one]
    return made


def left_out(rng: random.Random, made: Words) -> Words:
    """An instruction is missing."""
    del made[rng.randrange(len(made))]
    return _counted(rng, made)


def doubled(rng: random.Random, made: Words) -> Words:
    """An instruction comes twice, the second time anywhere."""
    made.insert(rng.randrange(len(made) + 1), rng.choice(made))
    return _counted(rng, made)


def overwritten(rng: random.Random, made: Words) -> Words:
    """An instruction stands in the place of another one."""
    made[rng.randrange(len(made))] = rng.choice(made)
    return made


CHANGES = (bits, bits, fields, fields, fields, swapped, left_out, doubled, overwritten)


def _counted(rng: random.Random, made: Words) -> Words:
    """Mostly with the number of instructions that BEGIN must state."""
    opcode, values = decode(made[0])
    if "instructions" in values and rng.random() < 0.8:
        made[0] = encode(opcode, {**values, "instructions": len(made)})
    return made


def judge(mutants: Sequence[Mutant]) -> list[Verdict]:
    """What becomes of mutants; those of an overlay that stand together run in one process."""
    groups = itertools.groupby(mutants, key=lambda one: one.overlay)
    return [verdict for overlay, group in groups for verdict in _judge(target(overlay), [*group])]


def _judge(good: Target, mutants: Sequence[Mutant]) -> list[Verdict]:
    sound = good.broken()
    cycles = _cycles(good.name)
    jobs = [(_job(good, cycles, mutant), sound) for mutant in mutants]
    runs = simulation(good.name).run(*itertools.chain.from_iterable(jobs))
    pairs = zip(mutants, runs[::2], runs[1::2], strict=True)
    return [_verdict(good, cycles, *one) for one in pairs]


@cache
def _cycles(overlay: str) -> int:
    """The good program's."""
    good = target(overlay)
    (run,) = simulation(overlay).run(good.broken())
    good.verify([run])
    return run.cycles


def _job(good: Target, cycles: int, mutant: Mutant) -> Job:
    limit = SLACK * cycles + WATCHDOG
    return good.broken(
        program=mutant.words,
        dumps=(),
        timing=Timing(stall=mutant.stall),
        cycle_limit=limit,
        limit=limit + LATE,
    )


def _verdict(good: Target, cycles: int, mutant: Mutant, run: Run, after: Run) -> Verdict:
    """Of a run that ended and wrote nowhere else: the simulation raises otherwise."""
    kind = "stale" if mutant.stale else "resealed"
    if wrong := _wrong(good, cycles, after):
        return Verdict(kind=f"the good program fails after {kind}", good=False, detail=wrong)
    if run.error is not Error.NONE:
        return Verdict(kind=f"{kind}: {run.error.name}", good=True)
    results, expected = (output_tensors(one, good.program) for one in (run, after))
    same = not any(compare(expected, results, [*expected]).values())
    kind = f"{kind}: {'the same' if same else 'other'} results"
    return Verdict(kind=kind, good=not mutant.stale, detail=mutant.name)


def _wrong(good: Target, cycles: int, run: Run) -> str:
    """What is wrong with a run of the good program."""
    try:
        good.verify([run])
    except AssertionError as error:
        return str(error)
    return "" if run.cycles == cycles else f"{run.cycles} cycles, not {cycles}"


def judge_seeds(seeds: Sequence[int]) -> list[Verdict]:
    """The fuzzer."""
    return judge([draw(seed) for seed in seeds])


FUZZER = Batches(judge=judge_seeds, size=BATCH)

if __name__ == "__main__":
    sys.exit(command(FUZZER, "damaged programs do no harm", count=2000))
