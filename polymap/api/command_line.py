"""The overlay's configuration, from what the command line and a file say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.explore.defaults import configuration
from dse.explore.parameters import read_parameters
from dse.files.about import about
from hw.isa.config import OverlayConfig
from hw.isa.errors import InputError

_SHAPE = re.compile(r"(.+):([1-9][0-9]{0,9}(?:,[1-9][0-9]{0,9})*)")
_ARRAY = re.compile(r"([0-9]+)[xX]([0-9]+)")


def parse_array(text: str) -> tuple[int, int]:
    """Rows and columns of ``RxC``."""
    match = _ARRAY.fullmatch(text.strip())
    if match is None:
        raise InputError(f"array must look like 16x32, rows x columns, not {text!r}")
    return int(match[1]), int(match[2])


def parse_shapes(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Shapes of inputs by name, of ``NAME:1,3,224,224`` each."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts or ():
        match = _SHAPE.fullmatch(text.strip())
        if match is None:
            raise InputError(f"--shape must look like NAME:1,3,224,224, not {text!r}")
        if match[1] in found:
            raise InputError(f"--shape names input {match[1]!r} twice: drop one of them")
        found[match[1]] = tuple(map(int, match[2].split(",")))
    return found


def configure(
    array: str | None = None, lanes: int | None = None, path: str | Path | None = None
) -> OverlayConfig:
    """The configuration that the command line and a file, if any, add up to."""
    given: dict[str, Any] = {} if path is None else read_parameters(path)
    asked: dict[str, int] = {}
    if array is not None:
        asked["rows"], asked["columns"] = parse_array(array)
    if lanes is not None:
        asked["lanes"] = lanes
    for name, value in asked.items():
        if given.get(name, value) != value:
            raise InputError(
                f"{path}: {name} is {given[name]}, the command line says {value}: drop one of them"
            )
    parameters = {**given, **asked}
    for option, names in {"--array RxC": ("rows", "columns"), "--lanes 1|2": ("lanes",)}.items():
        if any(name not in parameters for name in names):
            raise InputError(f"{option} is missing: say it, or name it in a --config file")
    with about(path or "configuration"):
        return configuration(**parameters)
