"""Whole networks in RTL: every tensor that can be observed equals the golden model's, bit by bit.

``POLYMAP_EXAMPLES=500 pytest tests/rtl/test_networks.py`` draws others, and more of them.
"""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.choices import all_choices
from dse.assembly.program import Program
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice
from hw.isa import Dataflow, Opcode
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import DDR, Timing
from tests.rtl.overlays import OVERLAYS, Case, Fitting, by_size, check, swept
from tests.sim.test_functional import Builder, branchy, networks

pytestmark = pytest.mark.rtl


EXAMPLES = os.environ.get("POLYMAP_EXAMPLES")
SAME = Window((3, 3), padding=(1, 1, 1, 1))

timings = st.builds(
    Timing,
    latency=st.integers(0, 100),
    rate=st.sampled_from([1024, 1024, 512, 200]),
    stall=st.sampled_from([0, 0, 20, 50, 80]),
    outstanding=st.integers(1, 8),
    seed=st.integers(1, 1 << 20),
)
choice = st.one_of(
    st.builds(Choice, st.sampled_from([None, *Dataflow])),
    st.sampled_from(all_choices(OVERLAYS["winograd1"])),
    st.none(),
)
choices = st.lists(choice, min_size=1, max_size=6).map(tuple)


def cases(config: OverlayConfig) -> st.SearchStrategy[Case]:
    """Networks of layers that an overlay has, and how they run."""
    needs = {"normalise": config.normalisation, "combine": config.pairs}
    drawn = networks(frozenset(kind for kind, there in needs.items() if not there))
    return st.builds(Case, drawn, choices, timings, st.integers(1, 2), st.integers(0, 1 << 20))


@pytest.mark.parametrize(("name", "examples"), by_size(16, 60))
def test_random_networks(name: str, examples: int) -> None:
    """Several networks on one overlay, one after the other, without a reset between them."""
    fitting = Fitting(name)

    @settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=EXAMPLES is None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(cases(OVERLAYS[name]), min_size=2, max_size=6))
    def all_equal(drawn: list[Case]) -> None:
        check(name, *filter(fitting, drawn))

    all_equal()
    fitting.check(0.05)


def used(program: Program) -> list[tuple[str, int | None, str]]:
    """Algorithm, tile and dataflow of each convolution."""
    layers = [layer for layer in program.manifest.layers if layer.kind == "conv"]
    return [(layer.algorithm, layer.tile, layer.dataflow) for layer in layers]


def names(choice: Choice) -> tuple[str, int | None, str]:
    assert choice.dataflow is not None
    return choice.algorithm.value, choice.tile, choice.dataflow.name


def chain(*channels: int) -> Network:
    """3 x 3 convolutions one behind the other."""
    builder = Builder(np.random.default_rng(1))
    last = builder.input(9, 4, channels[0])
    for count in channels[1:]:
        last = builder.conv(last, count, SAME)
    return builder.build(last)


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_one_layer_in_every_way(name: str) -> None:
    """Every algorithm and dataflow gives the golden model's result, hence the same one."""
    ways = all_choices(OVERLAYS[name])
    programs = check(name, *(Case(chain(5, 11), (way,)) for way in ways))
    for program, way in zip(programs, ways, strict=True):
        assert set(used(program)) == {names(way)}


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_layers_of_fewer_filters_than_columns(name: str) -> None:
    """Input stationary, the first byte of a word is before the tensor's first, at address 0."""
    counts = range(1, OVERLAYS[name].columns)
    check(name, *(Case(chain(5, n), (Choice(flow),)) for n in counts for flow in Dataflow))


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_a_network_switches_dataflows(name: str) -> None:
    """All orders of the three, and from each to itself."""
    orders = [*itertools.permutations(Dataflow), *((flow,) * 3 for flow in Dataflow)]
    cases = [Case(chain(5, 9, 4, 6), tuple(map(Choice, order))) for order in orders]
    for program, order in zip(check(name, *cases), orders, strict=True):
        found = list(dict.fromkeys(flow for *_, flow in used(program)))
        assert found == list(dict.fromkeys(flow.name for flow in order))


@pytest.mark.parametrize(("name", "step"), by_size(5, 1))
def test_a_network_switches_algorithms(name: str, step: int) -> None:
    """From every algorithm and dataflow to every other one, with and without stalls."""
    pairs = [*itertools.permutations(all_choices(OVERLAYS[name]), 2)][::step]
    cases = [
        Case(chain(5, 6, 4, 7, 3), pair, Timing(stall=stall, seed=number + 1))
        for number, (pair, stall) in enumerate(zip(pairs, itertools.cycle((0, 30)), strict=False))
    ]
    for program, case in zip(check(name, *cases), cases, strict=True):
        assert set(used(program)) == set(map(names, case.choices))


def test_tensors_in_dram() -> None:
    """Branches, concat, residual and poolings with every tensor in DRAM and strips of few rows."""
    builder = Builder(np.random.default_rng(4))
    first = builder.conv(builder.input(16, 10, 6), 8, SAME)
    total = builder.add(builder.conv(first, 8, SAME), first)
    joined = builder.concat(total, builder.pool(first, "max", SAME))
    last = builder.pool(builder.conv(joined, 4, SAME, groups=2), "average", Window((3, 3), (2, 2)))
    network = builder.build(last, joined)
    (program,) = check("strips", Case(network, timing=DDR, images=2))
    assert sum(place.memory == "output" for place in program.manifest.tensors) >= 4
    assert sum(one.opcode is Opcode.STORE for one in program.instructions) > 10


@pytest.mark.parametrize("stall", [0, 90])
def test_slow_memory(stall: int) -> None:
    """Long latency, a tenth of the bandwidth, one burst at a time."""
    slow = Timing(latency=300, rate=100, outstanding=1, stall=stall)
    check("winograd2", Case(branchy(), tuple(map(Choice, Dataflow)), slow, images=2))
