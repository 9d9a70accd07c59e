"""The disassembler: one line per instruction, or plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from dse.assembly.instruction import Instruction
from hw.isa import LAYOUTS

_NAMED = ("base", "space", "dataflow")  # fields whose values are told by name
_HEAD = ("opcode", "wait", "post", "tag")


def structure(instructions: Sequence[Instruction]) -> list[dict[str, Any]]:
    """Each instruction with all fields of its layout, for JSON."""
    return [_structure(number, one) for number, one in enumerate(instructions)]


def text(instructions: Sequence[Instruction]) -> str:
    """Number, tag, opcode, tokens consumed (<) and posted (>), and the fields that are not zero."""
    return "".join(f"{line}\n" for line in map(_line, structure(instructions)))


def _structure(number: int, instruction: Instruction) -> dict[str, Any]:
    fields = {
        name: _name(shape, instruction.field(name)) if name in _NAMED else instruction.field(name)
        for name, shape in LAYOUTS[instruction.opcode].members.items()
        if name not in _HEAD
    }
    return {
        "number": number,
        "opcode": instruction.opcode.name,
        "tag": instruction.field("tag"),
        "wait": [engine.name for engine in instruction.engines("wait")],
        "post": [engine.name for engine in instruction.engines("post")],
        "fields": fields,
    }


def _name(values: type[IntEnum], value: int) -> int | str:
    try:
        return values(value).name
    except ValueError:
        return value


def _line(entry: Mapping[str, Any]) -> str:
    tokens = "".join(f" <{name}" for name in entry["wait"])
    tokens += "".join(f" >{name}" for name in entry["post"])
    fields = "".join(f" {name}={value}" for name, value in entry["fields"].items() if value != 0)
    return f"{entry['number']:5d} [{entry['tag']:3d}] {entry['opcode']:<7}{tokens}{fields}"
