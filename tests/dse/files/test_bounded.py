"""No file is read beyond a bound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dse.files.bounded import read_bounded


@pytest.mark.parametrize(("size", "fits"), [(0, True), (100, True), (101, False)])
def test_files(tmp_path: Path, size: int, fits: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert read_bounded(path, 100) == (b"x" * size if fits else None)


def test_a_device_without_end() -> None:
    assert read_bounded("/dev/zero", 100) is None


def test_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.close(writer)
    try:
        assert read_bounded(f"/dev/fd/{reader}", 3) == b"abc"
    finally:
        os.close(reader)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "file", 3)
