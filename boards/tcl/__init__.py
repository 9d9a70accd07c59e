"""Scripts for Vivado; what differs between boards and designs comes from their settings.tcl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | Sequence["Value"]

_SPECIAL = frozenset(' \t\n"$;[]{}\\')


def script(name: str) -> str:
    """The text of a script of this folder."""
    return (Path(__file__).parent / name).read_text()


def settings(variables: Mapping[str, Value]) -> str:
    """A script that sets the variables; sequences become lists."""
    lines = ["# Written by polymap; sourced by the script beside it."]
    return "\n".join([*lines, *(f"set {n} {word(v)}" for n, v in variables.items()), ""])


def word(value: Value) -> str:
    """One Tcl word that reads as the value."""
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        return "{" + " ".join(word(item) for item in value) + "}"
    if not value or _SPECIAL & set(value):
        if {"{", "}", "\\"} & set(value):
            raise ValueError(f"text must be free of braces and backslashes, not {value!r}")
        return "{" + value + "}"
    return value
