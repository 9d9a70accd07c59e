"""The overlay's configuration, from what the command line and a file say."""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse.explore.defaults import configuration
from dse.files import documents
from dse.files.about import about
from hw.isa.config import CONFIGURATION_VERSION, OverlayConfig
from hw.isa.errors import InputError

_ARRAY = re.compile(r"([0-9]+)[xX]([0-9]+)")
_KEY = "configuration"


def parse_array(text: str) -> tuple[int, int]:
    """Rows and columns of ``RxC``."""
    match = _ARRAY.fullmatch(text.strip())
    if match is None:
        raise InputError(f"array must look like 16x32, rows x columns, not {text!r}")
    return int(match[1]), int(match[2])


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


def read_parameters(path: str | Path) -> dict[str, Any]:
    """Parameters by name from a JSON file: an object of them, or one that has it as an entry.

    So the manifest of a program and the side-car of an elaborated overlay will do as well.
    """
    try:
        return _parameters(documents.read_json(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except documents.DocumentError as error:
        raise InputError(f"{path}: {error}") from None


def _parameters(data: Any) -> dict[str, Any]:
    what = 'an object of overlay parameters, like {"rows": 16}'
    if isinstance(data, dict) and documents.CHECKSUM in data:
        documents.unseal(data)
    if isinstance(data, dict):
        data = data.get(_KEY, data)
    if not isinstance(data, dict):
        raise documents.DocumentError(f"must be {what}")
    given = documents.versioned(data, "the file", CONFIGURATION_VERSION, required=False)
    named = {name: value for name, value in given.items() if name != "version"}
    return dict(documents.build(_form(), named))


@functools.cache
def _form() -> type[Mapping[str, Any]]:
    """Any of the overlay's parameters, in their types; their ranges are its own to check."""
    from typing_extensions import TypedDict  # pydantic's, until Python 3.12

    hints = typing.get_type_hints(OverlayConfig)
    return TypedDict("Parameters", hints, total=False)  # type: ignore[operator]
