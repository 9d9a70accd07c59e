"""The overlay's configuration: defaults for an array, and what the command line and a file say."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from hw.config import OverlayConfig, power_of_two
from polymap.errors import InputError, about

WEIGHT_ROWS = 8192
"""Reduction rows of weights that the buffer holds by default, of all columns: those of a
convolution 3 x 3 over 512 channels and more, so that its tiles need not be streamed again."""

_ARRAY = re.compile(r"([0-9]+)[xX]([0-9]+)")
_KEY = "configuration"


def parse_array(text: str) -> tuple[int, int]:
    """Rows and columns of ``RxC``."""
    match = _ARRAY.fullmatch(text.strip())
    if match is None:
        raise InputError(f"array must look like 16x32, rows x columns, not {text!r}")
    return int(match[1]), int(match[2])


def configuration(rows: int, columns: int, lanes: int, **overrides: int | str) -> OverlayConfig:
    """An overlay of R x C PEs with memories for usual networks.

    ``overrides`` are further parameters of OverlayConfig, by name.
    """
    least = 2 * max(rows, columns)
    parameters = {
        "rows": rows,
        "columns": columns,
        "lanes": lanes,
        "weight_words": max(power_of_two(least), WEIGHT_ROWS // max(1, lanes)),
    }
    return OverlayConfig.from_json({**parameters, **overrides})


def configure(
    array: str | None = None, lanes: int | None = None, path: str | Path | None = None
) -> OverlayConfig:
    """The configuration that the command line and a file, if any, add up to."""
    given: dict[str, int] = {} if path is None else read_parameters(path)
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


def read_parameters(path: str | Path) -> dict[str, int]:
    """Parameters by name from a JSON file: an object of them, or one that has it as an entry.

    So the manifest of a program and the side-car of an elaborated overlay will do as well.
    """
    try:
        data = json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file: {error}") from None
    if isinstance(data, dict):
        data = data.get(_KEY, data)
    if not isinstance(data, dict):
        raise InputError(f'{path}: must be an object of overlay parameters, like {{"rows": 16}}')
    texts = {field.name for field in fields(OverlayConfig) if isinstance(field.default, str)}
    for name, value in data.items():
        if name in texts and not isinstance(value, str):
            raise InputError(f"{path}: {name} must be a text, not {value!r}")
        if name not in texts and (not isinstance(value, int) or isinstance(value, bool)):
            raise InputError(f"{path}: {name} must be an integer, not {value!r}")
    return data
