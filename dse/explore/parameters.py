"""Overlay parameters from a file."""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse.assembly.program import MANIFEST_FILE
from dse.files import documents
from hw.isa.config import CONFIGURATION_VERSION, OverlayConfig
from hw.isa.errors import InputError

_KEY = "configuration"


def read_parameters(path: str | Path) -> dict[str, Any]:
    """Parameters by name from a JSON file: an object of them, or one that has it as an entry.

    So the manifest of a program and the side-car of an elaborated overlay will do as well; of a
    folder, the manifest in it.
    """
    path = Path(path)
    if path.is_dir():
        path /= MANIFEST_FILE
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
