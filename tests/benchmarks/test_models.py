"""The table of models: rows of small ones, whole and in segments."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from benchmarks.models import row
from benchmarks.subjects import Subject
from hw.isa.config import OverlayConfig
from tests.dse.network.conftest import Builder

CONFIG = OverlayConfig(rows=4, columns=6, lanes=2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_row(tmp_path: Path, whole: bool) -> None:
    b = Builder(1)
    x = b.relu(b.conv(b.input(3, "height", 8), "conv", 4, 3, 3))
    if not whole:
        x = b.node("Softmax", [x], "softmax", axis=1)
    onnx.save(b.model(b.conv(x, "last", 2, 4, 1)), tmp_path / "small.onnx")
    one = row(Subject.of(tmp_path / "small.onnx", {"x": (1, 3, 9, 8)}), CONFIG)
    assert (one.name, one.layers, one.differences) == ("small", 2, 0)
    assert one.between == ("" if whole else "1 Softmax; 336 bytes")
    assert one.cycles > 0 and one.correlation > 0.99
