"""Components are made alike: their parameters have names where they are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HW = Path(__file__).parents[2] / "hw"


def constructors(text: str) -> Iterator[tuple[str, ast.arguments]]:
    """(class, parameters) of the components of a file that have a constructor."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and any(_is_component(base) for base in node.bases):
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                    yield node.name, one.args


def _is_component(base: ast.expr) -> bool:
    return isinstance(base, ast.Attribute) and base.attr in ("Component", "Signature")


def positional(text: str) -> list[str]:
    """The components of a file that take a parameter by position."""
    found = []
    for name, arguments in constructors(text):
        by_position = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        if by_position != ["self"] or arguments.vararg or arguments.kwarg:
            found.append(name)
    return found


def test_components_take_parameters_by_name_only() -> None:
    texts = {path: path.read_text() for path in sorted(HW.rglob("*.py"))}
    assert sum(len(list(constructors(text))) for text in texts.values()) > 60
    assert {str(path): found for path, text in texts.items() if (found := positional(text))} == {}


def test_a_parameter_by_position_is_found() -> None:
    text = "class A(wiring.Component):\n    def __init__(self, bits):\n        pass\n"
    assert positional(text) == ["A"]
    assert positional(text.replace("self, bits", "self, *, bits")) == []
