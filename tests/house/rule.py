"""The rule of the house: what may import what, and that nothing stands about unused.

``python -m tests.house.rule`` prints every breach, one a line, and ends with 1 if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.modules import LAYERS, OUTSIDE, House, closure, inside
from tests.house.reach import Place, Reach

LOWEST = "hw.isa"
"""The contract: it imports nothing of the product but itself."""
MODELS, UNITS = "dse.cycles", "hw"
"""A class of the exact model may have the name of the unit that it mirrors."""
TIMING = re.compile(r"(LATENCY|CYCLES|DELAY|DISTANCE)(_|$)")
"""Names of numbers of the hardware's timing."""
CLOCKWORK = "hw.isa.timing"
"""The one module in which they stand."""


@dataclass(frozen=True, kw_only=True)
class Exceptions:
    """What the rule lets pass, each with its reason.

    Members
    -------
    entries : modules that are started from outside (``python -m``, a script beside a card).
    mirrors : pairs of a model and the RTL unit whose name it has: files that share a stem.
    unused : definitions that only users of the package or tests call, as ``module:name``.
    timing : numbers that look like the hardware's timing and are none, as ``module:name``.
    """

    entries: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)
    timing: Mapping[str, str] = field(default_factory=dict)


def breaches(root: Path, exceptions: Exceptions) -> list[str]:
    """Every breach of the rule below ``root``, as one line each."""
    house = House(root)
    reach = Reach(house, exceptions.entries)
    return [
        *_order(house),
        *_circles(house),
        *_stems(house, exceptions),
        *_classes(house),
        *_unreachable(reach, exceptions),
        *_timing(house, exceptions),
        *_stale(house, reach, exceptions),
    ]


def _order(house: House) -> Iterator[str]:
    rank = {layer: number for number, layer in enumerate(LAYERS)}
    for name, target in house.edges():
        layer, other = name.split(".")[0], target.split(".")[0]
        if other in OUTSIDE:
            yield f"{name} imports {target}: the product must not import {other}"
        elif rank[other] > rank[layer]:
            yield f"{name} imports {target}: {layer} comes before {other}"
        elif inside(name, LOWEST) and not inside(target, LOWEST):
            yield f"{name} imports {target}: {LOWEST} imports nothing of the product"


def _circles(house: House) -> Iterator[str]:
    """Circles among folders: a folder may import its own subfolders' parents, but none twice."""
    graph: dict[str, set[str]] = defaultdict(set)
    witness: dict[tuple[str, str], str] = {}
    for name, target in house.edges():
        if target not in house.modules:
            continue
        a, b = house.modules[name].folder, house.modules[target].folder
        if a != b:
            graph[a].add(b)
            witness.setdefault((a, b), f"{name} -> {target}")
    for group in _strong(graph):
        if len(group) > 1:
            inner = [w for (a, b), w in witness.items() if a in group and b in group]
            yield f"folders import each other: {', '.join(sorted(group))} ({'; '.join(inner[:4])})"


def _strong(graph: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Strongly connected components."""
    names = set(graph) | {target for targets in graph.values() for target in targets}
    reach = {name: closure(graph, [name]) for name in names}
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in names}
    return [set(group) for group in sorted(groups, key=sorted)]


def _stem(name: str) -> str:
    return name.rpartition(".")[2]


def _stems(house: House, exceptions: Exceptions) -> Iterator[str]:
    files: dict[str, list[str]] = defaultdict(list)
    for name, module in house.modules.items():
        if not module.is_package and name not in exceptions.mirrors:
            files[_stem(name)].append(name)
    for names in files.values():
        if len(names) > 1:
            yield f"files share a name: {', '.join(names)}"


def _classes(house: House) -> Iterator[str]:
    """A class name stands for one thing, and perhaps for its exact model."""
    homes: dict[str, list[str]] = defaultdict(list)
    for name, module in house.modules.items():
        for own, node in module.definitions.items():
            if isinstance(node, ast.ClassDef):
                homes[own].append(name)
    for own, names in homes.items():
        models = [name for name in names if inside(name, MODELS)]
        units = [name for name in names if inside(name, UNITS)]
        mirrored = len(models) == len(units) == 1 and len(names) == 2
        if len(names) > 1 and not mirrored:
            yield f"classes share a name: {', '.join(f'{name}.{own}' for name in names)}"


def _unreachable(reach: Reach, exceptions: Exceptions) -> Iterator[str]:
    """Definitions that nothing reaches from the command line, the package or an entry."""
    for module, name in reach.missed(map(_place, exceptions.unused)):
        yield f"{module}: nothing reaches {name}"


def _place(text: str) -> Place:
    module, _, name = text.partition(":")
    return module, name


def _stale(house: House, reach: Reach, exceptions: Exceptions) -> Iterator[str]:
    """Exceptions that let nothing pass."""
    files = [name for name, module in house.modules.items() if not module.is_package]
    stems = Counter(map(_stem, files))
    needless = [name for name in exceptions.entries if name not in house.modules]
    needless += [name for name in exceptions.mirrors if stems[_stem(name)] < 2]
    timed = {f"{name}:{own}" for name, m in house.modules.items() for own in m.definitions}
    needless += [text for text in exceptions.timing if text not in timed]
    places = set(map(_place, exceptions.unused))
    for text in exceptions.unused:
        if _place(text) not in reach.missed(places - {_place(text)}):
            needless.append(text)
    yield from (f"{one}: an exception that is not needed" for one in needless)


def _timing(house: House, exceptions: Exceptions) -> Iterator[str]:
    for name, module in house.modules.items():
        if name == CLOCKWORK:
            continue
        for constant, node in module.definitions.items():
            number = _is_number(getattr(node, "value", None))
            if number and TIMING.search(constant) and f"{name}:{constant}" not in exceptions.timing:
                yield f"{name}: {constant} is a number of timing outside of {CLOCKWORK}"


def _is_number(node: ast.AST | None) -> bool:
    """Whether an expression is a number, written out or computed from such alone."""
    match node:
        case ast.Constant(value=int() | float()):
            return True
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
    return False


def main() -> int:
    """Prints the breaches in the project that this file lies in."""
    from tests.house.exceptions import EXCEPTIONS

    found = breaches(Path(__file__).parents[2], EXCEPTIONS)
    print("\n".join(found) or "the rule holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
