"""One instruction of a program: checked against its layout, and what it touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from dse.assembly.program_error import ProgramError
from dse.assembly.region import Region
from hw import isa
from hw.isa import Engine, Opcode, checksum

ENGINE_OF = {
    Opcode.LOAD: Engine.LOAD,
    Opcode.CONV: Engine.CONV,
    Opcode.POOL: Engine.POOL,
    Opcode.STORE: Engine.STORE,
}


@dataclass(frozen=True)
class Instruction:
    """An opcode and the values of its fields; fields left out are zero."""

    opcode: Opcode
    fields: Mapping[str, int]

    @property
    def engine(self) -> Engine | None:
        """The engine that executes it, if it is one of those with tokens."""
        return ENGINE_OF.get(self.opcode)

    def field(self, name: str) -> int:
        """The value of a field."""
        return self.fields.get(name, 0)

    def engines(self, name: str) -> tuple[Engine, ...]:
        """The engines named by ``wait`` or ``post``."""
        return tuple(engine for engine in Engine if self.field(name) >> engine & 1)

    def encode(self) -> bytes:
        """The instruction's bytes."""
        return isa.encode(self.opcode, dict(self.fields))

    @classmethod
    def decode(cls, word: bytes) -> Instruction:
        """The inverse of ``encode``, without the fields that are zero."""
        opcode, fields = isa.decode(word)
        del fields["opcode"]
        return cls(opcode, {name: value for name, value in fields.items() if value})


def encode_all(instructions: Sequence[Instruction]) -> bytes:
    """The bytes of a program."""
    return b"".join(one.encode() for one in instructions)


def seal(instructions: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """The program with the checksum in its END."""
    *others, end = instructions
    value = checksum.checksum(encode_all(instructions))
    return (*others, replace(end, fields={**end.fields, "checksum": value}))


@dataclass(frozen=True)
class Action:
    """An instruction while it is scheduled: with the layer it serves and the regions it touches."""

    instruction: Instruction
    layer: str
    reads: tuple[Region, ...] = ()
    writes: tuple[Region, ...] = ()

    def conflicts(self, other: Action) -> bool:
        """Whether the order of the two matters."""
        return (
            _overlap(self.writes, other.writes)
            or _overlap(self.writes, other.reads)
            or _overlap(self.reads, other.writes)
        )

    def reads_from(self, other: Action) -> bool:
        """Whether this one reads what the other one writes."""
        return _overlap(self.reads, other.writes)

    def with_fields(self, **fields: int) -> Action:
        """The same action with other field values."""
        merged = {**self.instruction.fields, **fields}
        instruction = make(self.instruction.opcode, self.layer, merged)
        return replace(self, instruction=instruction)


def make(opcode: Opcode, layer: str, fields: Mapping[str, int]) -> Instruction:
    """An instruction without its zero fields, or an error that names layer, field and range."""
    ranges = _ranges(opcode)
    for name, value in fields.items():
        low, high = ranges[name]
        if not low <= value <= high:
            raise ProgramError(
                f"layer {layer!r} does not fit the instruction set: {opcode.name}.{name} must be "
                f"in [{low}, {high}], not {value}"
            )
    if missing := [name for name in isa.counts(opcode, fields) if not fields.get(name)]:
        raise ProgramError(f"layer {layer!r}: {opcode.name}.{missing[0]} must be at least 1, not 0")
    return Instruction(opcode, {name: int(value) for name, value in fields.items() if value})


@cache
def _ranges(opcode: Opcode) -> dict[str, tuple[int, int]]:
    return {name: isa.limits(opcode, name) for name in isa.LAYOUTS[opcode].members}


def _overlap(first: tuple[Region, ...], second: tuple[Region, ...]) -> bool:
    return any(a.overlaps(b) for a in first for b in second)
