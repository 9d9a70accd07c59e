"""JSON documents: bounded, unambiguous, and of exact types; what is wrong is said in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dse.files import documents
from dse.files.documents import DocumentError, build, parse_json, read_json, seal, unseal, versioned


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a JSON document"),
        (b'{"a": 1,}', "not a JSON document"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' occurs twice"),
        (b"[NaN]", "NaN is not a number of JSON"),
        (b"[-Infinity]", "-Infinity is not a number of JSON"),
        (b"[1e999]", "the number '1e999' is too large"),
        (b"1" * 10_000, "a number is too long"),
        (b'"\\ud800"', "half of a character"),
        ("{}".encode("utf-16"), "not encoded in UTF-8"),
        (b'"\xff"', "not encoded in UTF-8"),
    ],
)
def test_refused(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        parse_json(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_read() -> None:
    assert parse_json('\ufeff{"a": [1, 2.5, "é", null]}'.encode()) == {"a": [1, 2.5, "é", None]}


def test_length_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text("[" + " " * 100 + "]")
    with pytest.raises(DocumentError, match="longer than 100 bytes"):
        read_json(path, limit=100)
    assert read_json(path, limit=102) == []
    with pytest.raises(DocumentError, match=f"longer than {documents.LIMIT:,} bytes"):
        read_json("/dev/zero")


@dataclass(frozen=True)
class Part:
    size: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.size == 13:
            raise ValueError("size must be lucky")


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]
    place: tuple[int, int] = (0, 0)


def test_built() -> None:
    data = {"name": "n", "parts": [{"size": 2}, {"size": 3, "share": 1}], "place": [1, 2]}
    assert build(Whole, data) == Whole("n", (Part(2), Part(3, 1.0)), (1, 2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "the document must be an object, not []"),
        ({"parts": []}, "name is missing"),
        ({"name": 1, "parts": []}, "name must be a text, not 1"),
        ({"name": "n", "parts": {}}, "parts must be a list, not {}"),
        ({"name": "n", "parts": [{"size": "8"}]}, "parts[0].size must be an integer, not '8'"),
        ({"name": "n", "parts": [{"size": True}]}, "parts[0].size must be an integer, not True"),
        ({"name": "n", "parts": [{"size": 13}]}, "parts[0]: size must be lucky"),
        ({"name": "n", "parts": [{"size": 1, "x": 2}]}, "parts[0].x is no key that is known"),
        ({"name": "n", "parts": [], "place": [1]}, "place[1] is missing"),
        ({"name": "n", "parts": [], "place": [1, 2, 3]}, "place must be a list of 2 or fewer"),
        ({"name": None, "parts": 1, "place": 2, "a": 3, "b": 4}, "; and 2 more"),
    ],
)
def test_not_built(data: Any, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        build(Whole, data)
    assert message in str(caught.value)


def test_seal() -> None:
    sealed = seal({"b": 1.5, "a": ["x"]})
    assert unseal(dict(reversed(sealed.items()))) == {"b": 1.5, "a": ["x"]}
    for changed in ({**sealed, "b": 2}, {**sealed, "c": 1}, {"a": ["x"]}, {**sealed, "b": "1.5"}):
        with pytest.raises(DocumentError, match="changed by hand"):
            unseal(changed)


def test_version() -> None:
    assert versioned({"version": 2}, "it", 2) == {"version": 2}
    assert versioned({}, "it", 2, required=False) == {}
    for data in ({}, {"version": 1}, {"version": "2"}, {"version": None}, [2], None):
        with pytest.raises(DocumentError, match=r"^it "):
            versioned(data, "it", 2)
    with pytest.raises(DocumentError, match="of version 1, this tool reads version 2"):
        versioned({"version": 1}, "it", 2, required=False)
