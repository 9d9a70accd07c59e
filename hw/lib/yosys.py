"""Amaranth fragments as Verilog, by Yosys: text that is clean under lint and simulates alike.

Yosys runs none of its passes on processes: they stay whole, so that no signal is driven partly
here and partly there, and no expression changes its form.  What its writer leaves to be done is
done line by line; a line that is not as expected is an error, not a difference in meaning:

- A process whose inputs never change must run once.  Yosys reads a trigger in it, but sets that
  before the simulation starts, where no process sees a change; here it is set at time 0.
- Zeros of a memory take a line for each row, most of a large design; here a loop writes them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from amaranth.back import rtlil
from amaranth.back.verilog import find_yosys
from amaranth.hdl import Fragment, Value
from amaranth.hdl._ir import PortDirection

from hw.lib.self_reads import refuse_self_reads

LEAST_VERSION = (0, 40)  # Amaranth's own demand

_INTERNAL = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
_REMOVED = " ".join(f"-remove {attribute}" for attribute in _INTERNAL)
_PASSES = ("memory_collect", f"attrmap {_REMOVED}", f"attrmap -modattr {_REMOVED}")
_WRITE = "write_verilog -norename -nodec"  # 32-bit constants in hexadecimal, as all others

_END = "endmodule"
_HEADER = re.compile(r"module (\S+?)\s*\((.*)\);")
_PROCESS = "  always @*"
_TRIGGER = re.compile(r"  reg (\\\S+dump_module\S+)  = 0;")
_INITIAL, _INITIAL_END = "  initial begin", "  end"
_ZERO = re.compile(r"    (\S+ ?)\[(\d+)\] = (\d+'h0+);")
_ZEROS = re.compile(r"(?m)^  initial begin : zeros_\d+\n    integer row;\n    for .*\n  end\n")


class TextError(RuntimeError):
    """Yosys wrote a line that this file does not know of."""


@dataclass(frozen=True, kw_only=True)
class ModuleText:
    """One module of an emitted design; the header ends with the list of its ports."""

    name: str
    ports: frozenset[str]
    header: str
    body: str

    @property
    def text(self) -> str:
        """The whole module."""
        return f"{self.header}\n{self.body}"


def convert(
    fragment: Fragment, ports: Mapping[str, tuple[Value, PortDirection]], name: str
) -> tuple[ModuleText, ...]:
    """The modules of a fragment as Verilog; SelfReadError if processes would not simulate alike."""
    design, _ = rtlil.convert_fragment(fragment, dict(ports), name, emit_src=False)
    refuse_self_reads(design)
    yosys = find_yosys(lambda version: version >= LEAST_VERSION)
    script = (f"read_rtlil <<rtlil\n{design}\nrtlil", *_PASSES, _WRITE)
    # It warns of every process that is left; Amaranth's are of the kind that can be written.
    text = yosys.run(["-q", "-"], "\n".join(script), ignore_warnings=True)
    return tuple(_module(lines) for lines in _modules(text))


def _modules(text: str) -> Iterator[list[str]]:
    """The lines of each module, with the attributes before it and without its last."""
    *modules, rest = text.split(f"{_END}\n")
    if rest.strip():
        raise TextError(f"Yosys wrote something behind the last module: {rest.strip()[:80]!r}")
    for module in modules:
        yield [line for line in module.splitlines() if line and not line.startswith("/*")]


def _module(lines: Sequence[str]) -> ModuleText:
    attributes = sum(1 for _ in itertools.takewhile(lambda one: one.startswith("(*"), lines))
    end = next((k for k, line in enumerate(lines, 1) if line.endswith(");")), len(lines))
    found = _HEADER.fullmatch("".join(lines[attributes:end]))
    if found is None:
        raise TextError(f"not a module's header: {lines[attributes:end][:1]}")
    name, ports = found[1], found[2].split(",")
    body = _loops(_triggered(lines[end:], name))
    return ModuleText(
        name=name,
        ports=frozenset(port.strip() for port in ports),
        header="\n".join(lines[:end]),
        body="\n".join([*body, _END, ""]),
    )


def _triggered(lines: Sequence[str], module: str) -> list[str]:
    """The lines with the trigger of the processes set at time 0, behind all of them."""
    names = [found[1] for line in lines if (found := _TRIGGER.fullmatch(line))]
    expected = [f"{_PROCESS} begin", *(f"    if ({name} ) begin end" for name in names)]
    for pair in itertools.pairwise(lines):
        if pair[0].startswith(_PROCESS) and list(pair) != expected:
            raise TextError(f"module {module}: a process without its trigger: {pair}")
    kept = [_TRIGGER.sub(r"  reg \1 ;", line) for line in lines]
    return [*kept, *(f"  initial {name} = 1'h0;" for name in names)]


def _loops(lines: Sequence[str]) -> Iterator[str]:
    """The lines with a loop in place of the zeros of each memory."""
    numbers, remaining = itertools.count(), iter(lines)
    for line in remaining:
        if line != _INITIAL:
            yield line
            continue
        block = list(itertools.takewhile(lambda one: one != _INITIAL_END, remaining))
        yield from _loop(block, next(numbers))


def _loop(block: Sequence[str], number: int) -> Sequence[str]:
    """An initial block; as a loop if it writes nothing but zeros to the rows of a memory."""
    rows = [_ZERO.fullmatch(line) for line in block]
    first, last = rows[0], rows[-1]
    places = {(row[1], row[3]) for row in rows if row}
    if first is None or last is None or None in rows or len(places) > 1 or len(rows) < 2:
        return [_INITIAL, *block, _INITIAL_END]
    ((memory, zero),) = places
    row = f"row[{int(last[2]).bit_length() - 1}:0]"
    return [
        f"  initial begin : zeros_{number}",
        "    integer row;",
        f"    for (row = {first[2]}; row <= {last[2]}; row = row + 1) {memory}[{row}] = {zero};",
        _INITIAL_END,
    ]


def without_zeros(text: str) -> str:
    """Emitted Verilog without the loops that write zeros to memories.

    For a device whose memories hold zeros anyway.  Yosys takes the square of the rows' time to
    read such a loop: two minutes for 16,384 rows.
    """
    return _ZEROS.sub("", text)
