"""Arrays of ``.npz`` files, checked before they are read: no header is believed."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from hw.isa.errors import PolymapError

LIMIT = 1 << 30
"""Bytes of all arrays of a file together."""

_SUFFIX = ".npy"
_KINDS = "biufcSU"  # numbers and texts: everything else may hold objects
_PARSERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

Accept = Callable[[str, np.dtype, tuple[int, ...]], bool]
"""Whether an array of that name, type and shape is wanted; may raise an error of its own."""


class ArraysError(PolymapError, ValueError):
    """Not a file of arrays, or one that is too large; the message says why."""


def read_npz(path: str | Path, accept: Accept | None = None) -> dict[str, npt.NDArray]:
    """The arrays of an ``.npz`` file by name; OSError if it cannot be opened.

    Types, shapes and sizes are checked before any of the data are unpacked.
    """
    found: dict[str, npt.NDArray] = {}
    with Path(path).open("rb") as file:
        with _damage("not an .npz file of arrays, or a truncated one"):
            archive = zipfile.ZipFile(file)
        for name, info in _members(archive).items():
            with _damage(f"array {name!r} cannot be read: the file is damaged"):
                stream = archive.open(info)
                header = _header(name, stream)
            header.check(name, info.file_size - stream.tell())
            if accept is not None and not accept(name, header.dtype, header.shape):
                continue
            with _damage(f"array {name!r} cannot be read: the file is damaged"):
                found[name] = header.array(stream)
    return found


def write_arrays(target: Path | IO[bytes], arrays: Mapping[str, npt.ArrayLike]) -> None:
    """An ``.npz`` file that ``numpy.load`` reads, of any names; ``numpy.savez`` reserves some."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}{_SUFFIX}", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def check(self, name: str, there: int) -> None:
        """Whether it is an array of ours, and the file as long as the header has it."""
        if self.dtype.kind not in _KINDS:
            raise ArraysError(f"array {name!r} holds {self.dtype}, not numbers")
        if any(length < 0 for length in self.shape) or self.size != there:
            raise ArraysError(
                f"array {name!r} of shape {self.shape} needs {self.size:,} bytes, not the "
                f"{there:,} that the file has: it is damaged"
            )

    def array(self, stream: IO[bytes]) -> npt.NDArray:
        """The data, which follow the header."""
        data = bytearray(self.size)
        view = memoryview(data)
        while view:
            count = stream.readinto(view)  # type: ignore[attr-defined]  # of binary streams
            if not count:
                raise EOFError
            view = view[count:]
        stream.read(1)  # at the end the checksum is compared
        order = "F" if self.fortran else "C"
        return np.frombuffer(data, self.dtype).reshape(self.shape, order=order)  # type: ignore[call-overload]


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The file's arrays by name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(_SUFFIX)
        if name == info.filename:
            raise ArraysError(f"{name!r} in it is no array: make the file with numpy.savez")
        if name in members:
            raise ArraysError(f"two of its arrays are called {name!r}")
        members[name] = info
    size = sum(info.file_size for info in members.values())
    if size > LIMIT:
        raise ArraysError(f"its arrays take {size:,} bytes, at most {LIMIT:,} are read: use fewer")
    return members


def _header(name: str, stream: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(stream)
    if version not in _PARSERS:
        raise ArraysError(f"array {name!r} is of an unknown version of numpy's format")
    return _Header(*_PARSERS[version](stream))


@contextmanager
def _damage(message: str) -> Iterator[None]:
    """What is wrong if a parser fails: those of zipfile and numpy raise whatever they meet."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except ArraysError:
        raise
    except Exception as error:
        raise ArraysError(message) from error
