"""The files of the product, parsed, and what each imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

LAYERS = ("hw", "dse", "boards", "sim", "polymap")
"""Folders of the product, each of which imports only itself and those before it."""
OUTSIDE = ("tests", "benchmarks")
"""Folders that nothing of the product imports."""
T = TypeVar("T")


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


def inside(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}.")


def closure(graph: Mapping[T, Iterable[T]], start: Iterable[T]) -> set[T]:
    """All that is reached from the start."""
    seen: set[T] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left.extend(graph.get(name, ()))
    return seen
