"""Predicted cycles equal the RTL's: every start and retirement, and the run's own count."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from dse.cost.overlay import ProgramCycles, layer_cycles, program_cycles
from dse.network.graph import Network, Window
from dse.program import Choice, LayerMapping, Program, ProgramError, compile_network
from dse.program.mapping import Algorithm
from hw.config import OverlayConfig
from hw.isa import Dataflow, Engine, Opcode
from sim.fast.job import DDR, IDEAL, Job, Run, Timing
from tests.rtl.overlays import OVERLAYS, simulation
from tests.sim.test_functional import Builder, branchy

LAYERS = 50  # of each overlay
ARRAYS = ("2x2", "3x4", "5x3", "4x7")
ACCEPTED = 1  # cycles from the host's write to the run's acceptance

Events = list[tuple[int, int, int, int]]


def drawn_window(rng: np.random.Generator, height: int, width: int) -> Window:
    axes = []
    for size in (height, width):
        kernel = int(rng.integers(1, min(4, size) + 1))
        dilation = int(rng.integers(1, 3)) if 2 * kernel - 1 <= size else 1
        before, after = (int(rng.integers(0, kernel)) for _ in range(2))
        axes.append((kernel, int(rng.integers(1, 3)), dilation, before, after))
    (ky, sy, dy, top, bottom), (kx, sx, dx, left, right) = axes
    return Window((ky, kx), (sy, sx), (dy, dx), (top, left, bottom, right))


def drawn_layer(rng: np.random.Generator) -> Network:
    """One convolution of any shape."""
    b = Builder(rng)
    height, width = (int(n) for n in rng.integers(1, 11, 2))
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    image = b.input(height, width, groups * int(rng.integers(1, 24 // groups)))
    channels = groups * int(rng.integers(1, 30 // groups))
    return b.build(b.conv(image, channels, drawn_window(rng, height, width), groups))


def compile_with(
    network: Network,
    config: OverlayConfig,
    flows: Sequence[Dataflow],
    algorithm: Algorithm = Algorithm.IM2COL,
) -> Program:
    names = [conv.name for conv in network.convolutions()]
    choices = {
        name: Choice(flow, algorithm)
        for name, flow in zip(names, itertools.cycle(flows), strict=False)
    }
    return compile_network(network, config, LayerMapping(choices))


def layer_programs(config: OverlayConfig, seed: int) -> list[Program]:
    rng = np.random.default_rng(seed)
    found: list[Program] = []
    while len(found) < LAYERS:
        flow = Dataflow(int(rng.integers(len(Dataflow))))
        taps = flow is not Dataflow.WS and rng.random() < 0.2
        algorithm = Algorithm.KN2ROW if taps else Algorithm.IM2COL
        try:
            found.append(compile_with(drawn_layer(rng), config, [flow], algorithm))
        except ProgramError:  # the overlay is too small for it
            continue
    return found


def rtl(name: str, programs: Sequence[Program], timing: Timing) -> list[Run]:
    jobs = [
        Job(
            program=program.words,
            weights=program.weights,
            inputs=[bytes(program.manifest.input_bytes)],
            output_bytes=program.manifest.output_bytes,
            timing=timing,
            limit=1 << 20,
        )
        for program in programs
    ]
    return simulation(name).run(*jobs)


def events(run: Run) -> Events:
    return sorted(
        (int(event["cycle"]), int(event["engine"]), int(event["retire"]), int(event["tag"]))
        for event in run.events
    )


def predicted(found: ProgramCycles) -> Events:
    return sorted(
        (cycle + ACCEPTED, int(Engine[entry.opcode.name]), retire, entry.tag)
        for entry in found.instructions
        if entry.opcode is not Opcode.WEIGHTS
        for retire, cycle in enumerate((entry.start, entry.retire))
    )


def check(name: str, programs: Sequence[Program], timing: Timing) -> None:
    config = OVERLAYS[name]
    for program, run in zip(programs, rtl(name, programs, timing), strict=True):
        found = program_cycles(program, config, timing)
        assert found.total == run.cycles
        assert predicted(found) == events(run)
        for layer in found.layers:
            parts = (layer.compute, layer.fill, layer.load, layer.stall, layer.drain)
            assert min(parts) >= 0
            assert sum(parts) == layer.cycles


@pytest.mark.parametrize("name", ARRAYS)
def test_drawn_layers(name: str) -> None:
    """With what is around them: fetch, LOAD, WEIGHTS, CONV, STORE."""
    check(name, layer_programs(OVERLAYS[name], seed=len(name)), IDEAL)


@pytest.mark.parametrize("name", ARRAYS)
def test_drawn_layers_on_slow_memory(name: str) -> None:
    check(name, layer_programs(OVERLAYS[name], seed=9)[::5], DDR)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_convolution_alone(name: str) -> None:
    """``layer_cycles`` of the CONV by itself, if the layer is one CONV."""
    config = OVERLAYS[name]
    programs = layer_programs(config, seed=3)[:20]
    for program, run in zip(programs, rtl(name, programs, IDEAL), strict=True):
        codes = {
            opcode: [i for i in program.instructions if i.opcode is opcode]
            for opcode in (Opcode.WEIGHTS, Opcode.CONV, Opcode.LOAD)
        }
        if len(codes[Opcode.CONV]) > 1 or len(codes[Opcode.LOAD]) > 2:
            continue
        found = program_cycles(program, config)
        starts = {entry.opcode: entry.start for entry in found.instructions}
        ahead = starts[Opcode.CONV] - starts[Opcode.WEIGHTS]
        (conv,), (weights,) = codes[Opcode.CONV], codes[Opcode.WEIGHTS]
        cycles = {e["retire"]: int(e["cycle"]) for e in run.events if e["engine"] == Engine.CONV}
        assert layer_cycles(conv, weights, config, ahead=ahead) == cycles[1] - cycles[0]


@pytest.mark.parametrize("timing", [IDEAL, DDR, Timing(latency=17, rate=300, outstanding=2)])
@pytest.mark.parametrize("name", OVERLAYS)
def test_networks(name: str, timing: Timing) -> None:
    """Branches, residuals, poolings, strips: the engines compete for the tensor memory."""
    network = branchy()
    flows = ([Dataflow.WS], [Dataflow.IS], [Dataflow.NS], list(Dataflow))
    check(name, [compile_with(network, OVERLAYS[name], some) for some in flows], timing)
