"""Activation tables in RTL: every entry in every lane, beside everything else that layers do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.choices import all_choices
from dse.compile.compiler import compile_network
from dse.network.graph import Network, Window
from hw.isa import Engine, Error
from sim import golden
from sim.fast.simulated_run import DDR, IDEAL, Timing
from sim.fast_overlay import build_overlay
from sim.simulation import make_job, output_tensors
from tests.kit.tables import with_tables
from tests.rtl import test_cycles as cycles
from tests.rtl.overlays import OVERLAYS, SWEPT, Case, check, job, simulation, swept
from tests.sim.test_functional import Builder, branchy

pytestmark = pytest.mark.rtl

STALLS = Timing(stall=40, seed=5)


def tabled(network: Network, seed: int = 1) -> Network:
    return with_tables(network, np.random.default_rng(seed))


def alone(height: int, width: int, channels: int) -> Network:
    """A maximum of one value with a table: nothing but the table."""
    b = Builder(np.random.default_rng(2))
    return tabled(b.build(b.pool(b.input(height, width, channels), "max", Window())))


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_branches_residuals_and_poolings(name: str) -> None:
    """All algorithms and dataflows in turn, each layer with a table of its own."""
    choices = tuple(all_choices(OVERLAYS[name]))
    check(name, *(Case(tabled(branchy(), k), choices[k:] + choices[:k]) for k in range(2)))
    check(name, Case(tabled(branchy(), 3), choices, STALLS, images=2))


@pytest.mark.parametrize("name", SWEPT)
def test_all_inputs_of_a_table_alone(name: str) -> None:
    """Each of the 256 values in each channel, up to one pixel and one channel."""
    rng = np.random.default_rng(6)
    for shape in ((16, 16, 5), (1, 1, 1), (256, 1, 1), (1, 1, 256)):
        network = alone(*shape)
        program = compile_network(network, OVERLAYS[name])
        count = int(np.prod(shape))
        image = np.resize(rng.permutation(np.arange(-128, 128)), count).astype(np.int8)
        inputs = {network.inputs[0]: image.reshape(shape)}
        (run,) = simulation(name).run(make_job(program, [inputs], timing=STALLS))
        assert run.error is Error.NONE
        (output,) = network.outputs
        wanted = golden.run(network, inputs)[output]
        np.testing.assert_array_equal(output_tensors(run, program)[output], wanted)


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_predicted_cycles(name: str) -> None:
    config = OVERLAYS[name]
    choices = all_choices(config)
    network = tabled(branchy())
    programs = [cycles.compile_with(network, config, some) for some in (choices, choices[::-1])]
    for timing in (IDEAL, DDR):
        cycles.check(name, programs, timing)


def test_a_layer_takes_the_same_cycles_with_a_table() -> None:
    """Poolings from their start to their retirement; convolutions: see the predicted cycles."""
    assert _spans("2x2", branchy()) == _spans("2x2", tabled(branchy()))


@pytest.mark.slow
def test_an_overlay_without_tables_takes_the_same_cycles() -> None:
    name = "2x2"
    case, config = Case(branchy(), timing=DDR), replace(OVERLAYS[name], tables=0)
    (plain,) = build_overlay(config).run(job(case, case.compile(config)))
    (run,) = simulation(name).run(job(case, case.compile(OVERLAYS[name])))
    np.testing.assert_array_equal(plain.events, run.events)


def _spans(name: str, network: Network) -> list[tuple[int, int]]:
    """Cycles of each pooling, beside which nothing else runs here, in order."""
    case = Case(network)
    (run,) = simulation(name).run(job(case, case.compile(OVERLAYS[name])))
    found = run.events[run.events["engine"] == Engine.POOL]
    return [
        (int(end["tag"]), int(end["cycle"] - start["cycle"]))
        for start, end in zip(found[0::2], found[1::2], strict=True)
    ]
