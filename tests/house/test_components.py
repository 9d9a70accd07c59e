"""Components are made alike: parameters by name and checked, ports by direction."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.overlay import Overlay
from hw.stages.streamed_pipeline import StreamedPipeline
from tests.house.made import all_made, kinds

HW = Path(__file__).parents[2] / "hw"
TOPS = (Overlay, StreamedPipeline)
"""They have the card's pins."""


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


def misnamed(signature: wiring.Signature) -> list[str]:
    """Values and streams without the prefix of their direction; bundles are called as they like."""
    return [
        name
        for name, member in signature.members.items()
        if not _is_bundle(member) and not _tells(name, "i" if member.flow is In else "o")
    ]


def _is_bundle(member: wiring.Member) -> bool:
    if member.is_port:
        return False
    inner = member.signature
    inner = inner.flip() if isinstance(inner, wiring.FlippedSignature) else inner
    return not isinstance(inner, stream.Signature)


def _tells(name: str, direction: str) -> bool:
    return name == direction or name.startswith(f"{direction}_")


def sizes() -> list[tuple[type, str]]:
    """The parameters of all components and bundles that are numbers."""
    return [
        (kind, name)
        for kind, made in all_made().items()
        for name, value in made.parameters.items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]


def refusal(kind: type, parameters: Mapping[str, Any]) -> str:
    """What the constructor says to them."""
    try:
        kind(**parameters)
    except ValueError as error:
        return str(error)
    except Exception as error:
        return repr(error)
    return "welcome"


def test_sizes_are_checked() -> None:
    assert len(sizes()) > 40
    found = {
        (kind.__name__, name): said
        for kind, name in sizes()
        for wrong in (-1, 2.5, "4")
        if not re.fullmatch(
            rf"{name} must be .*, not {re.escape(repr(wrong))}",
            said := refusal(kind, {**all_made()[kind].parameters, name: wrong}),
        )
    }
    assert found == {}


def test_every_kind_is_made() -> None:
    assert set(all_made()) == set(kinds())


def test_ports_tell_their_direction() -> None:
    components: dict[type, Any] = {
        kind: made.instance
        for kind, made in all_made().items()
        if issubclass(kind, wiring.Component) and kind not in TOPS
    }
    found = {kind.__name__: misnamed(one.signature) for kind, one in components.items()}
    assert {name: ports for name, ports in found.items() if ports} == {}


def test_a_port_that_hides_its_direction_is_found() -> None:
    inner = stream.Signature(8)
    bundle = wiring.Signature({"data": Out(8), "taken": In(1)})
    good = {"i": In(8), "o_word": Out(inner), "i_parts": In(inner).array(2), "buffer": In(bundle)}
    assert misnamed(wiring.Signature(good)) == []
    bad = {"busy": Out(1), "o_wait": In(inner), "input": In(8), "beats": In(inner.flip())}
    assert misnamed(wiring.Signature({**good, **bad})) == ["busy", "o_wait", "input", "beats"]
