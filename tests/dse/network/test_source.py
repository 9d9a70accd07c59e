"""Damaged and foreign files: one line each, never a traceback of another library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.network.graph import NetworkError
from dse.network.ports import ModelPort
from dse.onnx import source
from dse.onnx.importer import check

DIGITS = Path(__file__).parents[3] / "examples" / "digits" / "digits.onnx"


def fails(path: Path, match: str) -> None:
    with pytest.raises(NetworkError, match=match) as error:
        check(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"not a model", b"\x89PNG\r\n\x1a\n", b"\x00" * 64]
)
def test_foreign_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(content)
    fails(path, "not an ONNX model")


def test_missing_files(tmp_path: Path) -> None:
    fails(tmp_path / "missing.onnx", "cannot be read: No such file")
    fails(tmp_path, "cannot be read: Is a directory")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_truncated_and_damaged_files(tmp_path: Path, data) -> None:
    """Every prefix is refused; every damage is refused, reported, or harmless."""
    content = bytearray(DIGITS.read_bytes())
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(NetworkError) as error:
        check(path)
    assert "\n" not in str(error.value)
    for _ in range(3):
        content[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        check(path)
    except NetworkError as refused:
        assert "\n" not in str(refused)


def test_old_opsets_are_refused(builder, save) -> None:
    fails(save(builder.model(builder.relu(builder.input(3, 8, 8)), opset=6)), "opset 6 is too old")


def test_free_image_sizes_are_refused(builder, save) -> None:
    path = save(builder.model(builder.relu(builder.input(3, "height", 8))))
    fails(path, r"axis 2 of input 'x' is free \(height\)")


@pytest.mark.parametrize("free", [-1, "?"])
def test_axes_that_exporters_mark_as_free(builder, save, free: int | str) -> None:
    """Without a name: two of them may have two sizes."""
    b = builder
    path = save(b.model(b.relu(b.input(3, free, free))))
    fails(path, r"axis 2 of input 'x' is free \(unnamed\)")
    (port,) = source.read(path, {"x": (1, 3, 6, 8)}).inputs
    assert port.shape == (1, 3, 6, 8)


def test_the_batch_becomes_one_image(builder, save) -> None:
    b = builder
    b.input(3, 8, 8)
    model = source.read(save(b.model(b.relu("x"))))
    assert model.inputs == (ModelPort("x", np.dtype(np.float32), (1, 3, 8, 8)),)
