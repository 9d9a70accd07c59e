"""Damage: to bytes, to JSON documents, to protobuf messages and to ``.npz`` files."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

ABSURD = (0, 1, -1, 2, 3, 7, 255, 1 << 15, 1 << 30, (1 << 31) - 1, 1 << 40, (1 << 62), -(1 << 63))
TEXTS = ("", "x", "a/b", "\u6f22", "\0", "y" * 300, "Conv", "nothere")
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 8, 1 << 70, 0.5, -1e300, "", "x", "8", [], {}, [[]]),
    *([1, 2], {"a": 1}, ["x"], "\u6f22", "y" * 300),
)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bytes flipped, cut out, put in or cut off."""
    made = bytearray(data)
    kind = rng.randrange(5)
    if kind == 0 or not made:
        return bytes(made[: rng.randrange(len(made) + 1)])
    at = rng.randrange(len(made))
    if kind == 1:
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del made[at : at + rng.choice((1, 4, 100))]
    elif kind == 3:
        made[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
    else:
        made[at : at + 8] = rng.choice((bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7))
    return bytes(made)


def json_text(rng: random.Random, data: Any) -> bytes:
    """A document with some of its values replaced, removed or added; or no document at all."""
    kind = rng.randrange(10)
    if kind == 0:
        return damaged(rng, json.dumps(data).encode())
    if kind == 1:
        return rng.choice(_FOREIGN)
    made = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        made = _replaced(rng, made)
    text = json.dumps(made)
    if kind == 2 and "{" in text:
        text = text.replace("{", rng.choice(_INTO_OBJECTS), 1)
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16")))


_FOREIGN = (
    b"",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"layers": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    b"1" * 10_000,
    b"null",
    b'"\\ud800"',
    b"\xff\xfe",
    bytes(1000),
)
_INTO_OBJECTS = ('{"rows": NaN, ', '{"a": 1, "a": 1, ', '{"\\ud800": 1, ', '{"rows": 1e999, ')


def _replaced(rng: random.Random, data: Any) -> Any:
    places = list(_places(data))
    if not places:
        return _any(rng)
    where, key = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        del where[key]
    elif kind == 1 and isinstance(where, dict):
        where[rng.choice(TEXTS)] = _any(rng)
    elif kind == 2 and isinstance(where[key], int):
        where[key] += rng.choice((1, -1, 8, 64, -where[key], 1 << 33))
    else:
        where[key] = _any(rng)
    return data


def _any(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(VALUES))


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])


def message(rng: random.Random, made: Message) -> None:
    """Changes some fields of a protobuf message."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_fields(made))
        if places:
            _change(rng, *rng.choice(places))


def _fields(made: Message) -> Iterator[tuple[Message, Field]]:
    for field, value in made.ListFields():
        yield made, field
        if field.type == Field.TYPE_MESSAGE:
            for inner in value if _repeated(made, field) else [value]:
                yield from _fields(inner)


def _repeated(made: Message, field: Field) -> bool:
    return not isinstance(getattr(made, field.name), str | bytes | int | float | Message)


def _change(rng: random.Random, made: Message, field: Field) -> None:
    if not _repeated(made, field):
        if field.type == Field.TYPE_MESSAGE or rng.random() < 0.2:
            made.ClearField(field.name)
        else:
            _assign(lambda value: setattr(made, field.name, value), _value(rng, field))
        return
    values = getattr(made, field.name)
    at = rng.randrange(len(values))
    kind = rng.randrange(3)
    if kind == 0:
        del values[at]
    elif kind == 1:
        values.append(values[at])
    elif field.type != Field.TYPE_MESSAGE:
        _assign(lambda value: values.__setitem__(at, value), _value(rng, field))
    else:
        values[at].CopyFrom(values[rng.randrange(len(values))])


def _assign(put: Callable[[Any], None], value: Any) -> None:
    try:
        put(value)
    except (TypeError, ValueError):  # outside of the field's range
        put(type(value)())


def _value(rng: random.Random, field: Field) -> Any:
    if field.type == Field.TYPE_STRING:
        return rng.choice(TEXTS)
    if field.type == Field.TYPE_BYTES:
        return rng.choice((b"", b"\0", b"\xff" * 8, b"x" * 1000))
    if field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
        return rng.choice((0.0, -1.0, 1e30, 1e-30, float("inf"), float("nan")))
    return rng.choice(ABSURD)


def npz(rng: random.Random, arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays of other names, types or shapes, or a file of them that is damaged."""
    made = dict(arrays)
    kind = rng.randrange(6)
    name = rng.choice(sorted(made))
    stream = io.BytesIO()
    if kind < 2:
        np.savez_compressed(stream, **made)
        return damaged(rng, stream.getvalue())
    if kind == 2:
        made[rng.choice(("x", "labels", "y", "a"))] = made.pop(name)
    elif kind == 3:
        made[name] = rng.choice(
            (
                made[name].astype(rng.choice((np.int8, np.float64, np.complex64, "U3", "?"))),
                made[name][..., :-1],
                made[name][:0],
                np.array(3),
                np.full_like(made[name], np.nan) if made[name].dtype.kind == "f" else made[name].T,
                np.array([None, {}], dtype=object),
            )
        )
    elif kind == 4:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(rng.choice((f"{name}.npy", "readme.txt", name)), _member(rng))
        return stream.getvalue()
    np.savez(stream, **made)
    return stream.getvalue()


def _member(rng: random.Random) -> bytes:
    """An array whose header tells lies, or none."""
    descr = rng.choice(("<f4", "|O", "|V0", "|i1", "<U1000000", "<M8[ns]"))
    shape = rng.choice(("(1000000000000,)", "(1000000000000, 0)", "(3,)", "(-1,)", "()", "x", "("))
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return rng.choice((head, head + bytes(12), b"text", bytes(1 << 20)))
