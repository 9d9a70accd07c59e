"""JSON documents: read within bounds, checked against the dataclass that describes them."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import reprlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from dse.files.bounded import read_bounded
from hw.isa.errors import PolymapError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

LIMIT = 1 << 24
"""Bytes of the longest document."""

CHECKSUM = "checksum"

_SHOWN = 3  # faults that a message names
_BOM = b"\xef\xbb\xbf"
T = TypeVar("T")


class DocumentError(PolymapError, ValueError):
    """A document that cannot be used; the message says where, what is wrong and what is right."""


def read_json(path: str | Path, *, limit: int = LIMIT) -> Any:
    """The plain data of a JSON file; OSError if it cannot be read."""
    data = read_bounded(path, limit)
    if data is None:
        raise DocumentError(f"not a JSON document: it is longer than {limit:,} bytes")
    return parse_json(data)


def parse_json(data: bytes) -> Any:
    """The plain data of a JSON text.

    Refused beside what is no JSON: numbers that are not finite, keys that occur twice and texts
    that are no Unicode, which readers understand differently.
    """
    try:
        text = data.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise DocumentError("not a JSON document: it is not encoded in UTF-8") from None
    try:
        found = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise DocumentError("not a JSON document of ours: it is nested too deeply") from None
    except UnicodeEncodeError:
        raise DocumentError("not a JSON document: a text holds half of a character") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"not a JSON document: {error}") from None
    except DocumentError:
        raise
    except ValueError:  # Python's own bound on the digits of an integer
        raise DocumentError("not a JSON document of ours: a number is too long") from None
    return found


def build(kind: type[T], data: Any) -> T:
    """An instance of a dataclass from plain data: its types exactly, and no other keys."""
    from pydantic import ValidationError

    try:
        found: T = _adapter(cast(Hashable, kind)).validate_json(
            json.dumps(data), strict=True, extra="forbid"
        )
    except ValidationError as error:
        raise DocumentError(_explained(error.errors())) from None
    return found


def versioned(data: Any, what: str, version: int, *, required: bool = True) -> dict[str, Any]:
    """The entries of a document that must be an object of this version."""
    if not isinstance(data, dict):
        raise DocumentError(f"{what} must be an object, not {shown(data)}")
    if not required and "version" not in data:
        return data
    found = data.get("version")
    if found != version or isinstance(found, bool):
        said = "has no version" if found is None else f"is of version {shown(found)}"
        raise DocumentError(f"{what} {said}, this tool reads version {version}: make it again")
    return data


def seal(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a checksum of all that it says."""
    return {**data, CHECKSUM: _checksum(data)}


def unseal(data: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse; DocumentError if the document was changed since."""
    rest = {name: value for name, value in data.items() if name != CHECKSUM}
    if data.get(CHECKSUM) != _checksum(rest):
        raise DocumentError(
            "corrupted or changed by hand: its checksum is not that of its contents"
        )
    return rest


def shown(value: Any) -> str:
    """A value as messages quote it, shortened."""
    return _QUOTED.repr(value)


_QUOTED = reprlib.Repr()
_QUOTED.maxstring = _QUOTED.maxother = 60


def _checksum(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # a tenth of a second, for those that read documents

    return TypeAdapter(kind)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise DocumentError(f"the key {shown(double)} occurs twice: keep one")
    return found


def _constant(text: str) -> NoReturn:
    raise DocumentError(f"{text} is not a number of JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DocumentError(f"the number {shown(text)} is too large")
    return value


def _explained(errors: Sequence[ErrorDetails]) -> str:
    faults = list(dict.fromkeys(_fault(error) for error in errors))
    more = len(faults) - _SHOWN
    return "; ".join(faults[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _fault(error: ErrorDetails) -> str:
    where = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]
    ).removeprefix(".")
    where = where or "the document"
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"{where} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where} is no key that is known here: correct its name, or drop it"
    if kind == "value_error":  # of a check of ours
        return f"{where}: {context['error']}"
    words = _WORDS.get(kind)
    wanted = words.format(**context) if words else error["msg"].removeprefix("Input should be ")
    return f"{where} must be {wanted}, not {shown(error['input'])}"


_WORDS = {
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "bool_type": "true or false",
    "dataclass_type": "an object",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "string_type": "a text",
    "too_long": "a list of {max_length} or fewer",
    "tuple_type": "a list",
}
