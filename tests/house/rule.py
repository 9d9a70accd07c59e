"""The rule of the house: what may import what, and that nothing stands about unused.

``python -m tests.house.rule`` prints every breach, one a line, and ends with 1 if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

LAYERS = ("hw", "dse", "boards", "sim", "polymap")
"""Folders of the product, each of which imports only itself and those before it."""
LOWEST = "hw.isa"
"""The contract: it imports nothing of the product but itself."""
MODELS, UNITS = "dse.cycles", "hw"
"""A class of the exact model may have the name of the unit that it mirrors."""
OUTSIDE = ("tests", "benchmarks")
"""Folders that nothing of the product imports."""
TIMING = re.compile(r"(LATENCY|CYCLES|DELAY|DISTANCE)(_|$)")
"""Names of numbers of the hardware's timing, which stand in ``hw`` alone."""


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


@dataclass(frozen=True)
class Module:
    """A file of the product, parsed."""

    name: str
    path: Path
    is_package: bool

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(), str(self.path))

    @property
    def folder(self) -> str:
        """The package that it lies in."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """Functions, classes and constants at the top of the file, by name."""
        found: dict[str, ast.stmt] = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = node
            elif isinstance(node, ast.Assign):
                found.update({t.id: node for t in node.targets if isinstance(t, ast.Name)})
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = node
        return found

    def registers(self, name: str) -> bool:
        """Whether a function is handed to a constant of the file, as ``@app.command()`` does."""
        decorators = getattr(self.definitions[name], "decorator_list", ())
        names = {n.id for one in decorators for n in ast.walk(one) if isinstance(n, ast.Name)}
        constants = ast.Assign | ast.AnnAssign
        return any(isinstance(self.definitions.get(one), constants) for one in names)

    def binds(self, name: str) -> bool:
        """Whether the file itself gives the name a meaning, by an import or a definition."""
        imports = (n for n in self.tree.body if isinstance(n, ast.ImportFrom))
        bound = (one.asname or one.name for node in imports for one in node.names)
        return name in self.definitions or name in bound


class House:
    """All modules below a root, with what each imports."""

    def __init__(self, root: Path) -> None:
        self.modules: dict[str, Module] = {}
        for layer in LAYERS:
            for path in sorted((root / layer).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                package = parts[-1] == "__init__"
                name = ".".join(parts[:-1] if package else parts)
                self.modules[name] = Module(name, path, package)
        self.imports = {name: dict(self._imports(one)) for name, one in self.modules.items()}

    def _imports(self, module: Module) -> Iterator[tuple[str, tuple[str, str | None]]]:
        """(local name, (module, name in it or None)) of every import, wherever it stands."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    yield one.asname or one.name, (one.name, None)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for one in node.names:
                    inner = f"{node.module}.{one.name}"
                    package = self.modules.get(node.module)
                    is_module = inner in self.modules and not (package and package.binds(one.name))
                    yield (
                        one.asname or one.name,
                        (inner, None) if is_module else (node.module, one.name),
                    )

    def edges(self) -> Iterator[tuple[str, str]]:
        """Importing module, imported module; of the product and of what lies outside of it."""
        for name, imported in self.imports.items():
            for target, _ in imported.values():
                if target in self.modules or target.split(".")[0] in OUTSIDE:
                    yield name, target


def breaches(root: Path, exceptions: Exceptions) -> list[str]:
    """Every breach of the rule below ``root``, as one line each."""
    house = House(root)
    return [
        *_order(house),
        *_circles(house),
        *_stems(house, exceptions),
        *_classes(house),
        *_unreachable(house, exceptions),
        *_timing(house, exceptions),
    ]


def _inside(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}.")


def _order(house: House) -> Iterator[str]:
    rank = {layer: number for number, layer in enumerate(LAYERS)}
    for name, target in house.edges():
        layer, other = name.split(".")[0], target.split(".")[0]
        if other in OUTSIDE:
            yield f"{name} imports {target}: the product must not import {other}"
        elif rank[other] > rank[layer]:
            yield f"{name} imports {target}: {layer} comes before {other}"
        elif _inside(name, LOWEST) and not _inside(target, LOWEST):
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
    reach = {name: _closure(graph, [name]) for name in names}
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in names}
    return [set(group) for group in sorted(groups, key=sorted)]


def _closure(graph: Mapping[str, Iterable[str]], start: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left.extend(graph.get(name, ()))
    return seen


def _stems(house: House, exceptions: Exceptions) -> Iterator[str]:
    files: dict[str, list[str]] = defaultdict(list)
    for name, module in house.modules.items():
        if not module.is_package and name not in exceptions.mirrors:
            files[name.rpartition(".")[2]].append(name)
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
        models = [name for name in names if _inside(name, MODELS)]
        units = [name for name in names if _inside(name, UNITS)]
        mirrored = len(models) == len(units) == 1 and len(names) == 2
        if len(names) > 1 and not mirrored:
            yield f"classes share a name: {', '.join(f'{name}.{own}' for name in names)}"


def _timing(house: House, exceptions: Exceptions) -> Iterator[str]:
    for name, module in house.modules.items():
        if _inside(name, "hw"):
            continue
        for constant, node in module.definitions.items():
            number = _is_number(getattr(node, "value", None))
            if number and TIMING.search(constant) and f"{name}:{constant}" not in exceptions.timing:
                yield f"{name}: {constant} is a number of timing outside of hw"


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


Place = tuple[str, str]
"""A definition: its module and its name."""


def _unreachable(house: House, exceptions: Exceptions) -> Iterator[str]:
    """Definitions that nothing reaches from the command line, the package or an entry."""
    graph: dict[Place, set[Place]] = {}
    for name, module in house.modules.items():
        for own, node in module.definitions.items():
            graph[name, own] = set(_uses(house, name, [node]))
    roots = [place for name in house.modules for place in _loose(house, name)]
    for entry in ("polymap", "polymap.api", "polymap.cli", *exceptions.entries):
        if entry in house.modules:
            roots += _all_uses(house, entry)
    for place in exceptions.unused:
        module, _, own = place.partition(":")
        roots.append((module, own))
    reached = _closure(graph, roots)
    for place in graph:
        if place not in reached and not place[1].startswith("__"):
            yield f"{place[0]}: nothing reaches {place[1]}"


def _loose(house: House, name: str) -> Iterator[Place]:
    """What a module uses outside of its definitions, whenever it is imported."""
    module = house.modules[name]
    bound = set(map(id, module.definitions.values()))
    skipped = ast.Import | ast.ImportFrom
    loose = [n for n in module.tree.body if id(n) not in bound and not isinstance(n, skipped)]
    yield from _uses(house, name, loose)
    yield from ((name, own) for own in module.definitions if module.registers(own))


def _all_uses(house: House, entry: str) -> Iterator[Place]:
    """Everything that an entry defines or imports."""
    yield from ((entry, own) for own in house.modules[entry].definitions)
    for local in house.imports[entry]:
        yield from _resolve(house, entry, local, None)


def _uses(house: House, name: str, nodes: Iterable[ast.AST]) -> Iterator[Place]:
    """Definitions of the product whose names stand in the nodes, imports inside them included."""
    for root in nodes:
        for node in ast.walk(root):
            if isinstance(node, ast.Name):
                yield from _resolve(house, name, node.id, None)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield from _resolve(house, name, node.value.id, node.attr)


def _resolve(house: House, name: str, local: str, attribute: str | None) -> Iterator[Place]:
    """The definition behind a name, through imports and re-exports."""
    if local in house.modules[name].definitions:
        yield name, local
        return
    target, inner = house.imports[name].get(local, (None, None))
    if target not in house.modules:
        return
    wanted = inner or attribute
    if wanted is not None:
        yield from _resolve(house, target, wanted, None)


def main() -> int:
    """Prints the breaches in the project that this file lies in."""
    from tests.house.exceptions import EXCEPTIONS

    found = breaches(Path(__file__).parents[2], EXCEPTIONS)
    print("\n".join(found) or "the rule holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
