"""Views, enlarged images and the full range of weights in RTL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.choices import all_choices
from dse.network.graph import Network
from dse.onnx.importer import load
from sim.fast.simulated_run import IDEAL, Timing
from tests.dse.network.test_views import DRAWS, SIZE, Draw, Exact
from tests.rtl import test_cycles as cycles
from tests.rtl.overlays import OVERLAYS, Case, check

pytestmark = pytest.mark.rtl


def network(draw: Draw, seed: int, folder: Path) -> Network:
    """A quantised model of convolutions around what is drawn, with weights of -128 and 127."""
    b = Exact(seed)
    x = b.rounded(b.input(4, *SIZE), "image", 2**-5, 7)
    x = b.rounded(b.conv(x, "first", 4, 4, 3, pads=[1] * 4), "middle", 2**-4, -9)
    x, channels = draw(b, x, 4)
    x = b.rounded(x, "result", 2**-4, -3)
    x = b.rounded(b.conv(x, "conv", 3, channels, 2), "last", 2**-3, 5)
    model = b.model(x)
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".int"):
            values = onnx.numpy_helper.to_array(tensor)
            ends = np.where(values < 0, -128, 127).astype(np.int8)
            tensor.CopyFrom(onnx.numpy_helper.from_array(ends, tensor.name))
    onnx.save(model, folder / "model.onnx")
    return load(folder / "model.onnx").network


@pytest.mark.parametrize("name", ["winograd2", pytest.param("winograd1", marks=pytest.mark.slow)])
def test_views(name: str, tmp_path: Path) -> None:
    choices = tuple(all_choices(OVERLAYS[name]))
    cases = [
        Case(
            network(draw, seed, tmp_path), choices[seed:] + choices[:seed], Timing(stall=seed * 20)
        )
        for seed in range(2)
        for draw in DRAWS
    ]
    check(name, *cases)


def test_predicted_cycles(tmp_path: Path) -> None:
    choices = all_choices(OVERLAYS["winograd2"])
    config = OVERLAYS["winograd2"]
    programs = [cycles.compile_with(network(draw, 3, tmp_path), config, choices) for draw in DRAWS]
    cycles.check("winograd2", programs, IDEAL)
