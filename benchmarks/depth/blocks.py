"""An emitted design cut into blocks: modules that are mapped on their own, with what lies in them.

A block is a module at most two names below the top, or a shared one (an element, a column) and what
is one name below it.  What lies deeper is flattened into its block, as a vendor's tool does; but of
a block too large for the mapper (`LARGEST`), each module below is a block of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hw.lib.emit import Verilog

DEPTH, SHARED_DEPTH = 2, 1
LARGEST = 1_000_000
"""Characters of Verilog of a block, at most, but for a single module: more memory Yosys lacks."""
_MODULE = re.compile(r"(?ms)^(?:\(\*[^\n]*\*\)\n)*module (\S+)\s?\(.*?^endmodule\n")
_HEADER = re.compile(r"(?ms)^module .*?\);$")
_DECLARATION = re.compile(r"(?m)^  (?:input|output) .*$")
_INSTANCE = re.compile(r"(?m)^ +(\\\S+|[a-zA-Z_]\w*) +(?:\\\S+|[a-zA-Z_]\w*) +\($")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A module to map.

    Members
    -------
    texts : Verilog of it and of what is flattened into it, by module.
    inner : the blocks that it instances, with the Verilog of their ports.
    """

    module: str
    texts: Mapping[str, str]
    inner: Mapping[str, str]


def blocks(verilog: Verilog) -> list[Block]:
    """The blocks of a design, each behind those that it instances; the last is the top."""
    texts = {found[1].lstrip("\\"): found[0] for found in _MODULE.finditer(verilog.text)}
    below = {name: _instanced(text, texts) for name, text in texts.items()}
    made: dict[str, Block] = {}

    def visit(name: str) -> None:
        if name in made:
            return
        inside, inner = _reach(name, below, verilog.top)
        if sum(len(texts[one]) for one in inside) > LARGEST:
            inside, inner = (name,), below[name]
        for other in inner:
            visit(other)
        made[name] = Block(
            module=name,
            texts={one: texts[one] for one in inside},
            inner={one: _ports(texts[one]) for one in inner},
        )

    visit(verilog.top)
    return list(made.values())


def _ports(text: str) -> str:
    """The module with nothing in it."""
    declared = _DECLARATION.findall(text)
    return "\n".join((_HEADER.findall(text)[0], *declared, "endmodule", ""))


def _instanced(text: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    names = (found[1].lstrip("\\") for found in _INSTANCE.finditer(text))
    return tuple(dict.fromkeys(name for name in names if name in texts))


def _reach(
    block: str, below: Mapping[str, tuple[str, ...]], top: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Modules of a block, and the blocks that they instance."""
    inside: list[str] = [block]
    inner: list[str] = []
    for module in inside:
        for name in below[module]:
            kept = inner if _is_block(name, top) else inside
            if name not in kept:
                kept.append(name)
    return tuple(inside), tuple(inner)


def _is_block(module: str, top: str) -> bool:
    first, *names = module.split(".")
    return len(names) <= (DEPTH if first == top else SHARED_DEPTH)
