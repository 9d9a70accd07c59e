"""The whole overlay on DSP48E2 elements gives the golden model's bytes with every algorithm."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.choices import all_choices, label
from dse.compile.compiler import compile_network
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.lib.emit import emit
from hw.overlay import Overlay
from sim import golden
from sim.runner import FastSimulation
from sim.simulation import output_tensors, run_program

# Slow: a build of its own.  `test_dsp48.py` compares the columns, which are all that differs, in
# every cycle.
pytestmark = [pytest.mark.rtl, pytest.mark.slow]


MODEL = Path(__file__).parent / "dsp48e2.v"
CONFIG = OverlayConfig(
    rows=5,
    columns=3,
    tensor_bytes=4096,
    accumulator_depth=64,
    weight_words=64,
    parameter_depth=64,
    axi_bytes=8,
    winograd="both",
    scratch_words=128,
)


def conv(rng: np.random.Generator, source: str, name: str, shape: tuple[int, int, int]) -> Conv:
    channels, kernel, _ = shape
    return Conv(
        name=name,
        input=source,
        output=name,
        window=Window((kernel, kernel), padding=(kernel // 2,) * 4),
        numbers=Numbers(
            rng.choice([-127, 127, 3], (channels, kernel, kernel, shape[2])).astype(np.int8),
            np.full(channels, 0.002),
            rng.integers(-900, 900, channels).astype(np.int32),
        ),
    )


def network() -> Network:
    rng = np.random.default_rng(3)
    quantisation = Quantisation(0.05, 3)
    channels = {"x": 3, "a": 7, "b": 4}
    tensors = {name: Tensor(name, 6, 5, count, quantisation) for name, count in channels.items()}
    operators = (conv(rng, "x", "a", (7, 3, 3)), conv(rng, "a", "b", (4, 3, 7)))
    return Network("two", tensors, operators, ("x",), ("b",), "0" * 64)


@cache
def simulation() -> FastSimulation:
    primitive = Primitive(name="dsp48e2", cascade=3)
    overlay = Overlay(config=CONFIG, primitive=primitive)
    verilog = emit(overlay, "polymap", clock="ap_clk", reset="ap_rst_n")
    whole = dataclasses.replace(verilog, text=f"{MODEL.read_text()}\n{verilog.text}")
    return FastSimulation(whole, tensor_bytes=CONFIG.tensor_bytes)


@pytest.mark.parametrize("choice", all_choices(CONFIG), ids=label)
def test_network_matches_golden(choice: Choice) -> None:
    layers = network()
    mapping = LayerMapping(dict.fromkeys(("a", "b"), choice))
    program = compile_network(layers, CONFIG, mapping)
    rng = np.random.default_rng(4)
    images = [{"x": rng.integers(-128, 128, (6, 5, 3)).astype(np.int8)} for _ in range(2)]
    for run, image in zip(run_program(simulation(), program, images), images, strict=True):
        found = output_tensors(run, program)
        np.testing.assert_array_equal(found["b"], golden.run(layers, image)["b"])
