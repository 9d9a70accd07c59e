"""``.npz`` files: what numpy writes is read; what lies is refused before it takes memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dse.files import arrays
from dse.files.arrays import ArraysError, read_npz, write_arrays

PLAIN = {
    "ints": np.arange(12).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "scalar": np.array(1.5),
    "text": np.array(["a", "bcd"]),
    "nothing": np.zeros((0, 3), np.int8),
    "big": np.arange(3, dtype=">i2"),
    "a/b.npy": np.array([True]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes(tmp_path: Path, save: object) -> None:
    save(tmp_path / "x.npz", **PLAIN)  # type: ignore[operator]
    check(read_npz(tmp_path / "x.npz"))


def test_what_we_write(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", PLAIN)
    check(read_npz(tmp_path / "x.npz"))


def check(found: dict[str, np.ndarray]) -> None:
    assert list(found) == list(PLAIN)
    for name, array in PLAIN.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def header(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def float32(shape: str, data: bytes = b"") -> bytes:
    return header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n", data)


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([None, 1]), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (float32("(1000000000000,)"), "needs 4,000,000,000,000 bytes, not the 0 that the file has"),
        (float32("(3,)", bytes(8)), "needs 12 bytes, not the 8"),
        (float32("(-1, -2)", bytes(8)), r"shape \(-1, -2\)"),
        (float32("(True,)", bytes(4)), "cannot be read"),
        (float32("(" * 5000), "cannot be read"),
        (header("[1, 2]"), "cannot be read"),
        (header("{'descr': '|V0', 'fortran_order': False, 'shape': (9,), }\n"), "not numbers"),
        (pickled(), "holds object, not numbers"),
        (b"\x93NUMPY\x09\x00", "unknown version"),
        (b"PK text", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_members_that_lie(tmp_path: Path, member: bytes, message: str) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
    refused(path, message)


def refused(path: Path, message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ArraysError, match=message) as caught:
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_members_that_are_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, "'readme.txt' in it is no array")


def test_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    size = arrays.LIMIT + (64 << 20)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", float32(f"({size // 4},)"))
    data = bytearray(path.read_bytes())
    told = struct.pack("<I", len(float32(f"({size // 4},)")) + size)
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = told
    path.write_bytes(data)
    refused(path, "at most 1,073,741,824 are read")


@pytest.mark.parametrize("kept", [0, 10, 100, 300, -30, -1])
def test_truncated(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, PLAIN)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "not an .npz file of arrays, or a truncated one")


def test_corrupted(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.arange(1000))
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    refused(path, "array 'x' cannot be read: the file is damaged")


def test_asked_before_reading(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 3), np.int8), b=np.ones(2))
    asked = []

    def accept(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
        asked.append((name, dtype, shape))
        return name == "b"

    assert list(read_npz(tmp_path / "x.npz", accept)) == ["b"]
    assert asked == [("a", np.int8, (2, 3)), ("b", np.float64, (2,))]
