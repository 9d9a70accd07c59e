"""Single layers through compiler, functional model and RTL, against the golden model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from sim import functional, golden
from sim.runner import FastSimulation
from sim.simulation import build_overlay, output_tensors, run_program

Draw = Callable[[tuple[int, ...]], npt.NDArray[np.int64]]


def layer(
    shape: tuple[int, int, int],
    channels: int,
    window: Window,
    *,
    seed: int = 0,
    groups: int = 1,
    weight: Draw | None = None,
    zero_point: int = 17,
) -> Network:
    """One convolution, x to y; ``weight`` draws its weights."""
    rng = np.random.default_rng(seed)
    size = (channels, *window.kernel, shape[2] // groups)
    values = weight(size) if weight else rng.integers(-127, 128, size)
    height, width = window.output(*shape[:2])
    quantisation = Quantisation(0.05, zero_point), Quantisation(0.05, -5)
    conv = Conv(
        name="conv",
        input="x",
        output="y",
        window=window,
        groups=groups,
        numbers=Numbers(
            values.astype(np.int8),
            np.full(channels, 0.01 / np.sqrt(np.prod(size[1:]))),
            rng.integers(-900, 900, channels).astype(np.int32),
        ),
    )
    tensors = {
        "x": Tensor("x", *shape, quantisation[0]),
        "y": Tensor("y", height, width, channels, quantisation[1]),
    }
    return Network("layer", tensors, (conv,), ("x",), ("y",), "0" * 64)


@cache
def overlay(config: OverlayConfig) -> FastSimulation:
    """The overlay, built once."""
    return build_overlay(config)


def check(
    network: Network,
    config: OverlayConfig,
    choice: Choice,
    *,
    images: Sequence[npt.NDArray[np.int8]] | None = None,
    rtl: bool = True,
) -> tuple[Program, int]:
    """Every output byte of every image equals the golden model's; the program and its cycles."""
    (source,) = network.inputs
    if images is None:
        rng = np.random.default_rng(1)
        images = [rng.integers(-128, 128, network.tensors[source].shape).astype(np.int8)]
    mapping = LayerMapping({conv.name: choice for conv in network.convolutions()})
    program = compile_network(network, config, mapping)
    entries = [{source: image} for image in images]
    expected = [golden.run(network, entry) for entry in entries]
    for entry, wanted in zip(entries, expected, strict=True):
        found = functional.run(program, config, entry).outputs
        for name, value in found.items():
            np.testing.assert_array_equal(value, wanted[name], f"functional {name}")
    if not rtl:
        return program, 0
    runs = run_program(overlay(config), program, entries)
    for run, wanted in zip(runs, expected, strict=True):
        for name, value in output_tensors(run, program).items():
            np.testing.assert_array_equal(value, wanted[name], f"RTL {name}")
    return program, max(run.cycles for run in runs)
