"""Real networks end to end in RTL: no mismatch, and as many cycles as predicted."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.choices import all_choices, fallback
from benchmarks.network import imported
from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Network
from dse.network.inputs import read_arrays
from dse.onnx.importer import Imported, load
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL
from sim.simulation import simulate

pytestmark = pytest.mark.rtl


DIGITS = Path(__file__).parents[2] / "examples" / "digits"
SMALL = OverlayConfig(
    rows=8,
    columns=12,
    tensor_bytes=1 << 16,
    weight_words=2048,
    winograd="both",
    scratch_words=1024,
)
LARGE = OverlayConfig(
    rows=16,
    columns=32,
    tensor_bytes=1 << 22,
    tensor_copies=2,
    winograd="both",
    scratch_words=4096,
    accumulator_depth=2048,
    pool_lanes=64,
)
Images = dict[str, npt.NDArray[np.float32]]


def digits() -> tuple[Imported, Images]:
    model = load(DIGITS / "digits.onnx", read_arrays(DIGITS / "calibration.npz"))
    images = read_arrays(DIGITS / "test_images.npz")
    names = [port.name for port in model.host.inputs]
    return model, {name: images[name][:1] for name in names}


def mixed(network: Network, config: OverlayConfig) -> LayerMapping:
    """All choices in turn, Winograd first."""
    turns = zip(network.convolutions(), cycle(reversed(all_choices(config))), strict=False)
    choices: dict[str, Choice] = {
        conv.name: fallback(network, conv, choice, config) for conv, choice in turns
    }
    return LayerMapping(choices)


def check(model: Imported, images: Images, config: OverlayConfig) -> None:
    network = model.network
    mapping = mixed(network, config)
    program = compile_network(network, config, mapping)
    result = simulate(model, images, config, mapping=mapping)
    assert result.mismatches == 0
    assert (
        len({(layer.algorithm, layer.tile) for layer in result.layers if layer.kind == "conv"}) == 4
    )
    assert result.cycles == program_cycles(program, config, IDEAL).total


@pytest.mark.slow
def test_the_demo_network() -> None:
    check(*digits(), SMALL)


@pytest.mark.slow
def test_squeezenet() -> None:
    check(*imported("squeezenet", images=1, seed=1), LARGE)


@pytest.mark.slow
def test_the_demo_network_with_slow_memory_is_within_two_percent() -> None:
    model, images = digits()
    mapping = mixed(model.network, SMALL)
    predicted = program_cycles(compile_network(model.network, SMALL, mapping), SMALL, DDR)
    measured = simulate(model, images, SMALL, mapping=mapping, timing=DDR).cycles
    assert measured == pytest.approx(predicted.total, rel=0.02)
