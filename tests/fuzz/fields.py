"""No field of any instruction can do harm: ``python -m tests.fuzz.fields``.

Each case is a good program with one field of one instruction at zero, or at its least or greatest
value, and the checksum that belongs to it: every field of every instruction on every overlay.  What
must hold is what ``tests.fuzz.programs`` says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache

from hw.isa import decode, encode, limits
from tests.fuzz.campaign import Batches, Verdict, command
from tests.fuzz.programs import BATCH, OVERLAYS, Mutant, instructions, judge
from tests.kit.sealing import sealed

Case = tuple[str, int, str, int]  # overlay, instruction, field, value


@cache
def cases() -> tuple[Case, ...]:
    """All of them, overlay by overlay."""
    return tuple(case for overlay in OVERLAYS for case in _cases(overlay))


def _cases(overlay: str) -> Iterator[Case]:
    for number, word in enumerate(instructions(overlay)):
        opcode, fields = decode(word)
        for name, own in fields.items():
            for value in sorted({0, *limits(opcode, name)} - {own}):
                yield overlay, number, name, value


def mutant(case: Case) -> Mutant:
    """The changed program."""
    overlay, number, name, value = case
    words = list(instructions(overlay))
    opcode, fields = decode(words[number])
    words[number] = encode(opcode, {**fields, name: value})
    what = f"{overlay}: instruction {number}, {opcode.name}, {name} {fields[name]} -> {value}"
    return Mutant(overlay=overlay, words=sealed(b"".join(words)), stale=False, name=what)


def judge_seeds(seeds: Sequence[int]) -> list[Verdict]:
    """The fuzzer: seeds are numbers of cases."""
    return judge([mutant(cases()[seed]) for seed in seeds])


FUZZER = Batches(judge=judge_seeds, size=BATCH)

if __name__ == "__main__":
    sys.exit(command(FUZZER, "no field can do harm", count=len(cases())))
