"""The table of models: a row of a small one."""

from __future__ import annotations

from pathlib import Path

import onnx

from benchmarks.models import row
from tests.dse.network.conftest import Builder


def test_a_row(tmp_path: Path) -> None:
    b = Builder(1)
    x = b.relu(b.conv(b.input(3, 8, 8), "conv", 4, 3, 3))
    onnx.save(b.model(b.conv(x, "last", 2, 4, 1)), tmp_path / "small.onnx")
    name, segments, layers, cycles, near, differences = row(tmp_path / "small.onnx").split("|")[
        1:-1
    ]
    assert (name.strip(), int(segments), int(layers), int(differences)) == ("small", 1, 2, 0)
    assert int(cycles.replace(",", "")) > 0 and float(near) > 0.99
