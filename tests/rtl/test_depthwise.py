"""Depthwise convolutions beside the array in RTL: any window, beside what layers do else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Network, Numbers, Quantisation, Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm, LayerMapping
from hw.isa import Opcode
from sim.fast.simulated_run import DDR, IDEAL, Timing
from tests.kit.tables import with_tables
from tests.rtl import test_cycles as cycles
from tests.rtl.overlays import OVERLAYS, Case, Fitting, check, swept
from tests.sim.test_functional import Builder

pytestmark = pytest.mark.rtl

STALLS = Timing(stall=40, seed=5)
POINT = Window()
SAME = Window((3, 3), padding=(1, 1, 1, 1))
BESIDE = Choice(None, ConvAlgorithm.DEPTHWISE)
ABLE = [name for name in OVERLAYS if OVERLAYS[name].depthwise]
WINDOWS = {
    "same": SAME,
    "halving": Window((3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    "five": Window((5, 5), (1, 1), (1, 1), (2, 2, 2, 2)),
    "seven halving": Window((7, 7), (2, 2), (1, 1), (3, 3, 3, 3)),
    "dilated": Window((3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
    "dilated halving": Window((3, 5), (1, 2), (2, 2), (2, 4, 2, 4)),
    "apart": Window((2, 2), (2, 3)),
    "row": Window((1, 9), padding=(0, 4, 0, 4)),
    "column": Window((6, 1), padding=(3, 0, 2, 0)),
    "point": POINT,
    "one-sided": Window((2, 4), padding=(1, 0, 0, 3)),
}


def beside(program: Program) -> list[str]:
    """The layers that the engine beside the array computes."""
    return [layer.name for layer in program.manifest.layers if layer.kind == "depthwise"]


def mobile(seed: int, size: int = 7) -> Network:
    """Inverted residuals, a gate, ranges of a concatenation, tables, and summands in the array."""
    b = Builder(np.random.default_rng(seed))
    x = b.conv(b.input(size, size + 2, 5), 8, SAME)
    y = b.conv(b.conv(x, 13, POINT), 13, WINDOWS["five"], 13)
    gate = b.pool(y, "average", Window(b.tensors[y].shape[:2]))
    x = b.add(b.conv(b.multiply(y, gate), 8, POINT), x)
    joined = b.concat(b.conv(x, 8, SAME, 8), x, b.conv(x, 8, WINDOWS["dilated"], 8))
    summand = b.add(b.conv(x, 8, SAME, 8), x)
    last = b.conv(joined, 24, WINDOWS["halving"], 24)
    network = b.build(b.conv(last, 6, POINT), summand, b.conv(gate, 13, POINT, 13))
    return with_tables(network, b.rng, 0.4)


@pytest.mark.parametrize("name", swept(ABLE))
def test_beside_other_layers(name: str) -> None:
    free, forced = (None,), (BESIDE,)
    first, second = check(name, Case(mobile(1), forced), Case(mobile(2), free, STALLS, images=2))
    assert len(beside(first)) == 5
    assert beside(second)


@pytest.mark.parametrize("name", swept(ABLE))
def test_predicted_cycles(name: str) -> None:
    networks = mobile(1, 5), mobile(2, 6)
    programs = [cycles.compile_with(one, OVERLAYS[name], [BESIDE]) for one in networks]
    for timing in (IDEAL, DDR):
        cycles.check(name, programs, timing)


@pytest.mark.parametrize("name", swept(ABLE))
def test_drawn_layers(name: str) -> None:
    """Any window, shape and weights; bytes and cycles."""
    rng = np.random.default_rng(3)
    fitting, cases = Fitting(name), []
    for number in range(40):
        height, width, channels = (int(n) for n in rng.integers((1, 1, 1), (12, 12, 20)))
        b = Builder(rng)
        window = cycles.drawn_window(rng, height, width)
        network = b.build(b.conv(b.input(height, width, channels), channels, window, channels))
        share = float(rng.choice([0.0, 1.0]))
        timing = Timing(stall=int(rng.choice([0, 40])), seed=number + 1)
        cases.append(Case(with_tables(network, rng, share), (BESIDE,), timing))
    fit = [case for case in cases if fitting(case)]
    fitting.check(0.2)
    programs = check(name, *fit)
    assert all(map(beside, programs))
    cycles.check(name, programs, IDEAL)


def alone(window: Window, value: int, channels: int, size: int) -> Network:
    """One layer, all of whose weights are ``value``, of an image whose zero point is -128."""
    b = Builder(np.random.default_rng(1))
    image = b.input(size, size, channels)
    b.tensors[image] = replace(b.tensors[image], quantisation=Quantisation(1.0, -128))
    out = b.conv(image, channels, window, channels)
    (conv,) = b.operators
    weight = np.full((channels, *window.kernel, 1), value, np.int8)
    bias = np.arange(channels, dtype=np.int32) * 1000 - 3000
    scale = b.tensors[out].scale / (256 * np.prod(window.kernel))
    b.operators[0] = replace(conv, numbers=Numbers(weight, np.full(channels, scale), bias))
    return b.build(out)


@pytest.mark.parametrize("name", swept(ABLE))
def test_the_largest_values(name: str) -> None:
    """All weights -128 or 127, of images that are all -128, all 127 and both."""
    found = [
        Case(alone(window, value, channels, 9), (BESIDE,), images=2)
        for window in (SAME, WINDOWS["five"], Window((9, 9)))
        for value in (-128, 127)
        for channels in (1, 7)
    ]
    check(name, *found)


@pytest.mark.parametrize("name", swept(ABLE))
def test_every_window(name: str) -> None:
    cases = []
    for number, window in enumerate(WINDOWS.values()):
        b = Builder(np.random.default_rng(number))
        image = b.input(9, 11, 7)
        cases.append(Case(b.build(b.conv(image, 7, window, 7)), (BESIDE,), STALLS))
    programs = check(name, *cases)
    cycles.check(name, programs, DDR)


@pytest.mark.parametrize("name", swept(name for name in ABLE if name != "strips"))
def test_more_channels_than_the_memory_holds(name: str) -> None:
    """Several POOLs of some channels each, whose constants take turns."""
    b = Builder(np.random.default_rng(1))
    channels = 45 * OVERLAYS[name].pool_channels + 1
    x = b.input(2, 3, channels)
    for _ in range(2):
        x = b.conv(x, channels, SAME, channels)
    case = Case(b.build(x), (BESIDE,), DDR)
    config = OVERLAYS[name]
    program = case.compile(config)
    assert sum(code.opcode is Opcode.POOL for code in program.instructions) >= 4
    check(name, case)
    cycles.check(name, [program], IDEAL)


def test_refusals() -> None:
    """What an overlay, or its engine, cannot do."""
    config = OVERLAYS["5x3"]
    without = replace(config, depthwise=0)
    network = alone(SAME, 3, 4, 6)
    mapping = LayerMapping({network.operators[0].name: BESIDE})
    with pytest.raises(ProgramError, match="set depthwise"):
        compile_network(network, without, mapping)
    b = Builder(np.random.default_rng(1))
    image = b.input(6, 6, 4)
    shared = b.build(b.conv(image, 8, SAME, 4))
    with pytest.raises(ProgramError, match="groups of one channel, or choose im2col"):
        compile_network(shared, config, LayerMapping({shared.operators[0].name: BESIDE}))
    b = Builder(np.random.default_rng(1))
    image = b.input(6, 6, 4)
    summed = b.build(b.add(b.conv(image, 4, SAME, 4), image))
    with pytest.raises(ProgramError, match="summand"):
        compile_network(summed, config, LayerMapping({summed.operators[0].name: BESIDE}))
