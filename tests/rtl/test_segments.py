"""A model in segments from end to end: RTL, host, RTL again, and what was foretold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import polymap
from dse.network.inputs import images, join
from sim import golden
from tests.dse.network.conftest import Builder
from tests.dse.network.test_segments import on_one_branch, twice
from tests.rtl.overlays import OVERLAYS

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize(("build", "count"), [(twice, 3), (on_one_branch, 2)])
def test_all_segments_run(tmp_path: Path, build, count: int) -> None:
    builder = Builder()
    path = tmp_path / "model.onnx"
    onnx.save(builder.model(build(builder)), path)
    batch = {"x": np.random.default_rng(3).normal(size=(2, 3, 8, 8)).astype(np.float32)}
    model = polymap.load(path, batch)
    told: list[tuple[int, int]] = []
    result = polymap.simulate(
        model, batch, OVERLAYS["winograd2"], progress=lambda *share: told.append(share)
    )
    assert result.mismatches == 0 and set(model.network.outputs) <= set(result.compared_tensors)
    assert len(result.cycles_per_segment) == len(model.segments) == count
    assert sum(result.cycles_per_segment) == result.cycles == result.predicted_cycles
    assert {layer.name for layer in result.layers} >= {
        conv.name for conv in model.network.convolutions()
    }
    assert told == sorted(told) and told[-1][0] == told[-1][1]
    expected = join([model.answer(image, golden.run) for image in images(batch)])
    for name, values in expected.items():
        np.testing.assert_array_equal(result.outputs[name], values)
