"""Predicted cycles equal the RTL's: every start and retirement, and the run's own count."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.choices import all_choices, fallback, legal
from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.cycles.single_layer import layer_cycles
from dse.cycles.whole_program import ProgramCycles, program_cycles
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm, LayerMapping
from dse.tiling.tile_form import tile_forms
from hw.isa import Dataflow, Engine, Opcode
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, IDEAL, Job, Run, Timing
from tests.rtl.overlays import OVERLAYS, Case, Fitting, simulation, swept
from tests.rtl.overlays import check as checked
from tests.sim.test_functional import Builder, branchy

pytestmark = pytest.mark.rtl


LAYERS = 25  # of each overlay
ARRAYS = tuple(name for name in OVERLAYS if name != "strips")
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


def drawn_plain_window(rng: np.random.Generator, height: int, width: int) -> Window:
    """Without stride and dilation; kernels of one 3 x 3 round or more."""
    axes = []
    for size in (height, width):
        kernel = int(rng.choice([1, 2, 3, 3, 3, 4, 5, 7]))
        before, after = (int(n) for n in rng.integers(0, 3, 2))
        axes.append((kernel, before, after + max(0, kernel - size - before - after)))
    (ky, top, bottom), (kx, left, right) = axes
    return Window((ky, kx), padding=(top, left, bottom, right))


def drawn_layer(rng: np.random.Generator, choice: Choice) -> Network:
    """One convolution of any shape that the choice allows."""
    b = Builder(rng)
    height, width = (int(n) for n in rng.integers(1, 11, 2))
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    image = b.input(height, width, groups * int(rng.integers(1, 24 // groups)))
    channels = groups * int(rng.integers(1, 30 // groups))
    winograd = choice.algorithm is ConvAlgorithm.WINOGRAD
    window = (drawn_plain_window if winograd else drawn_window)(rng, height, width)
    return b.build(b.conv(image, channels, window, groups))


def compile_with(network: Network, config: OverlayConfig, choices: Sequence[Choice]) -> Program:
    """The choices in turn; im2col in the dataflow where one is not legal."""
    turns = zip(network.convolutions(), itertools.cycle(choices), strict=False)
    layers = {conv.name: fallback(network, conv, choice, config) for conv, choice in turns}
    return compile_network(network, config, LayerMapping(layers))


def layer_programs(name: str, seed: int, count: int) -> list[Program]:
    """All algorithms, dataflows and transforms of the overlay in turn."""
    config, fitting = OVERLAYS[name], Fitting(name)
    rng = np.random.default_rng(seed)
    found: list[Program] = []
    turns = itertools.cycle(all_choices(config))
    for choice in itertools.islice(turns, count):
        while True:
            network = drawn_layer(rng, choice)
            (conv,) = network.convolutions()
            if legal(network, conv, choice, config):
                case = Case(network, (choice,))
                if fitting(case):
                    found.append(case.compile(config))
                    break
    fitting.check(0.15)
    return found


def rtl(name: str, programs: Sequence[Program], timing: Timing) -> list[Run]:
    jobs = [
        Job(
            regions=program.regions,
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


def check(name: str, programs: Sequence[Program], timing: Timing) -> list[ProgramCycles]:
    """The exact model of each program, which is the RTL's."""
    config, foretold = OVERLAYS[name], []
    for program, run in zip(programs, rtl(name, programs, timing), strict=True):
        found = program_cycles(program, config, timing)
        assert found.total == run.cycles
        assert predicted(found) == events(run)
        for layer in found.layers:
            parts = (layer.compute, layer.fill, layer.load, layer.stall, layer.drain)
            assert min(parts) >= 0
            assert sum(parts) == layer.cycles
        foretold.append(found)
    return foretold


@pytest.mark.parametrize("name", swept(ARRAYS))
def test_drawn_layers(name: str) -> None:
    """With what is around them: fetch, LOAD, WEIGHTS, CONV, STORE."""
    check(name, layer_programs(name, seed=len(name), count=LAYERS), IDEAL)


@pytest.mark.parametrize("name", swept(ARRAYS))
def test_drawn_layers_on_slow_memory(name: str) -> None:
    """Each choice once."""
    config = OVERLAYS[name]
    check(name, layer_programs(name, seed=9, count=len(all_choices(config))), DDR)


@pytest.mark.parametrize("name", swept(ARRAYS))
def test_a_convolution_alone(name: str) -> None:
    """``layer_cycles`` of the CONV by itself, if the layer is one CONV."""
    config = OVERLAYS[name]
    programs = layer_programs(name, seed=3, count=20)
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


EVEN = [name for name in ARRAYS if OVERLAYS[name].pool_channels % 2 == 0]


@pytest.mark.parametrize("name", swept(EVEN))
def test_poolings_of_two_pixels_a_word(name: str) -> None:
    """Maxima over half of the engine's lanes, beside convolutions; bytes and cycles."""
    b = Builder(np.random.default_rng(3))
    x = b.conv(b.input(11, 13, 3), OVERLAYS[name].pool_channels // 2, Window((3, 3)))
    windows = (
        Window((3, 3), (2, 2), padding=(1, 1, 1, 1)),
        Window((2, 2), (2, 2)),
        Window((1, 4), (1, 2), padding=(0, 3, 0, 2)),
    )
    pooled = [b.pool(x, "max", window) for window in windows]
    network = b.build(*(b.conv(one, 5, Window((1, 1))) for one in pooled))
    (program,) = checked(name, Case(network))
    poolings = [i for i in program.instructions if i.opcode is Opcode.POOL]
    assert all(i.field("halves") for i in poolings)
    check(name, [program], IDEAL)
    check(name, [program], DDR)


@pytest.mark.parametrize("name", swept(name for name in ARRAYS if OVERLAYS[name].transforms))
def test_drains_that_lag_behind(name: str) -> None:
    """Many channel tiles of one word: reading the sums out takes longer than adding them up."""
    config = OVERLAYS[name]
    b = Builder(np.random.default_rng(1))
    same = Window((3, 3), padding=(1, 1, 1, 1))
    network = b.build(b.conv(b.input(12, 11, 2), 40, same))
    choices = [
        choice for choice in all_choices(config) if choice.algorithm is ConvAlgorithm.WINOGRAD
    ]
    check(name, [compile_with(network, config, [choice]) for choice in choices], IDEAL)


def every_pair(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """A walk on which each choice comes once behind each, itself among them."""
    walk = []
    for number, one in enumerate(choices):
        walk.append(one)
        for other in choices[number + 1 :]:
            walk += [one, other]
    return (*walk, walk[0])


def test_a_walk_has_every_pair() -> None:
    numbers = [Choice(fold=number) for number in range(1, 6)]
    pairs = list(itertools.pairwise(every_pair(numbers)))
    assert len(pairs) == len(set(pairs)) == 25


@pytest.mark.parametrize("name", swept(name for name in ARRAYS if OVERLAYS[name].transforms))
def test_winograd_layers_share_the_drain(name: str) -> None:
    """WS: one begins while the sums of another are drained, if its transform is the same; exact."""
    config = OVERLAYS[name]
    winograd = [c for c in all_choices(config) if c.algorithm is ConvAlgorithm.WINOGRAD]
    rng = np.random.default_rng(5)
    walk = every_pair(winograd)
    cases = []
    for first in range(0, len(walk) - 1, 3):
        b = Builder(rng)
        image = b.input(7, 9, 5)
        same = Window((3, 3), padding=(1, 1, 1, 1))
        choices = walk[first : first + 4]
        channels = (6, 9, 4, 8)[: len(choices)]
        network = b.build(*(b.conv(image, count, same) for count in channels))
        cases.append(Case(network, choices))
    programs = checked(name, *cases)
    transforms = {form.tile: form.transform for form in tile_forms(config.transforms)}
    gaps: dict[bool, list[int]] = {True: [], False: []}
    for case, found in zip(cases, check(name, programs, IDEAL), strict=True):
        names = [conv.name for conv in case.network.convolutions()]
        choice = dict(zip(names, case.choices, strict=True))
        for before, after in itertools.pairwise(found.layers):
            one, other = choice[before.name], choice[after.name]
            alike = transforms[one.tile] == transforms[other.tile]
            shared = alike and one.dataflow is other.dataflow is Dataflow.WS
            gaps[shared].append(after.start + after.fill - (before.end - before.drain))
    elements = min(transform.elements for transform in config.transforms)
    assert min(gaps[True]) < elements < min(gaps[False])


@pytest.mark.parametrize("timing", [IDEAL, DDR, Timing(latency=17, rate=300, outstanding=2)])
@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_networks(name: str, timing: Timing) -> None:
    """Branches, residuals, poolings, strips: the engines compete for the tensor memory."""
    network, config = branchy(), OVERLAYS[name]
    choices = all_choices(config)
    mixed = [choices[first:] + choices[:first] for first in range(0, len(choices), 4)]
    alone = [[choice] for choice in choices] if timing == IDEAL else []
    check(name, [compile_with(network, config, some) for some in (*alone, *mixed)], timing)
