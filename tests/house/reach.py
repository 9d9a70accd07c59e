"""Which definitions of the product are reached, and from where."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from tests.house.modules import House, closure

ENTRIES = ("polymap", "polymap.api", "polymap.cli")
"""The package and the command line."""
Place = tuple[str, str]
"""A definition: its module and its name."""


class Reach:
    """What each definition uses.

    Members
    -------
    roots : what is used whenever the product's modules are imported, and by its entries.
    """

    def __init__(self, house: House, entries: Iterable[str]) -> None:
        self._uses = {
            (name, own): set(_uses(house, name, [node]))
            for name, module in house.modules.items()
            for own, node in module.definitions.items()
        }
        self.roots = {place for name in house.modules for place in _loose(house, name)}
        for entry in (*ENTRIES, *entries):
            if entry in house.modules:
                self.roots.update(_all_uses(house, entry))

    def missed(self, more: Iterable[Place]) -> list[Place]:
        """What neither the roots nor more of them reach."""
        reached = closure(self._uses, {*self.roots, *more})
        return [p for p in self._uses if p not in reached and not p[1].startswith("__")]


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
