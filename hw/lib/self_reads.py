"""Refuses a combinational signal that reads another part of itself within one process.

Amaranth has one process for each signal, and gives every bit its final value.  In Verilog the
process runs from the top: a part that is read before it is assigned has its value of earlier, and
``always @*`` does not wake for what it writes itself.  Simulators would silently answer otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MODULE = re.compile(r"module \\(\S+)")
_PROCESS, _END = re.compile(r"  process "), "  end"
_ASSIGN = re.compile(r" +assign (\{.*?\}|\S+) (.*)")
_SWITCH = re.compile(r" +switch (.*)")
_NAME = re.compile(r"[\\$]\S+")


class SelfReadError(ValueError):
    """A signal reads itself; the message names it and its module."""


def refuse_self_reads(rtlil: str) -> None:
    """Raises SelfReadError for the first process of a design that reads the signal it drives."""
    for module, name in self_reads(rtlil):
        raise SelfReadError(
            f"module {module}: a part of signal {name} is assigned from another part of it, which "
            "simulators of Verilog may read too early: give that value a signal of its own"
        )


def self_reads(rtlil: str) -> Iterator[tuple[str, str]]:
    """The module and signal of every process that reads what it drives."""
    module = ""
    lines = iter(rtlil.splitlines())
    for line in lines:
        if found := _MODULE.match(line):
            module = found[1]
        elif _PROCESS.match(line):
            for name in sorted(_read_and_driven(lines)):
                yield module, name.removeprefix("\\")


def _read_and_driven(lines: Iterator[str]) -> set[str]:
    """The signals that a process both reads and drives; takes the lines up to its end."""
    read: set[str] = set()
    driven: set[str] = set()
    for line in lines:
        if line == _END:
            break
        if found := _ASSIGN.match(line):
            driven.update(_NAME.findall(found[1]))
            read.update(_NAME.findall(found[2]))
        elif found := _SWITCH.match(line):
            read.update(_NAME.findall(found[1]))
    return read & driven
