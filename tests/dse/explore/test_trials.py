"""The exact model decides between mappings; its cycles: tests/rtl."""

from __future__ import annotations

import pytest

from boards.board import U200
from dse.compile.segmented import compile_segments
from dse.cost.overlay_model import OverlayModel
from dse.cycles.whole_program import LayerCycles, program_cycles
from dse.explore import trials
from dse.explore.families import Space
from dse.explore.search import explore
from dse.explore.stretches import durations, stretches
from dse.mapping.optimise import chosen_mapping, map_network
from dse.network.numbers import with_random_numbers
from dse.network.prune import without_dense
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import benchmark


def _layer(name: str, start: int, end: int) -> LayerCycles:
    return LayerCycles(name, start, end, end - start, 0, 0, 0, 0)


def test_stretches_lie_between_tensors_that_everything_passes() -> None:
    """GoogLeNet's stem has one for each layer, an inception module is one, its poolings too."""
    network = without_dense(benchmark("googlenet"))
    group = ("inception_4a/1x1", "inception_4a/3x3_reduce")
    found = stretches(network, [group])
    stem = ["conv1/7x7_s2", "pool1/3x3_s2", "conv2/3x3_reduce", "conv2/3x3"]
    convs = [conv.name for conv in network.convolutions()]
    modules = {name.split("/")[0]: set() for name in convs if name.startswith("inception")}
    for name in convs:
        if name.startswith("inception"):
            modules[name.split("/")[0]].add(found[name])
    assert len({found[name] for name in convs[:3]}) == 3
    assert all(len(numbers) == 1 for numbers in modules.values())
    assert len(set.union(*modules.values())) == len(modules) == 9
    assert found["+".join(group)] == found["inception_4a/5x5"]
    assert stem[0] in found


def test_a_stretch_lasts_from_the_end_of_the_one_before() -> None:
    numbers = {"a": 0, "b": 1, "c": 1, "d": 2}
    layers = [_layer("b", 8, 20), _layer("a", 2, 10), _layer("x", 0, 99), _layer("c", 9, 25)]
    assert durations(numbers, [*layers, _layer("d", 24, 31)]) == {0: 10, 1: 15, 2: 6}


@pytest.mark.parametrize("side", [6, pytest.param(12, marks=pytest.mark.slow)])
def test_the_fastest_trial_is_what_the_compiler_makes_of_it(side: int) -> None:
    """What is said of the first and the chosen mapping comes true; the first is certified."""
    net = OutlineBuilder("net", (side, side, 16))
    wide = net.conv(net.conv("input", "first", 32, 3), "reduce", 24, 1)
    net.concat("joined", *(net.conv(wide, f"part{size}", 24, size) for size in (1, 3, 5)))
    network = net.build()
    given = {"array": (8, 8), "space": Space(lanes=(2,), winograd=("f2",))}
    alone = explore(network, U200, trials=False, **given)
    found = explore(network, U200, **given)
    decision = found.decision
    assert decision is not None
    assert alone.decision is None
    assert found.certified_gap == alone.certified_gap == 0
    assert 2 <= decision.trials <= trials.TRIALS
    numbers = with_random_numbers(network)
    for one, cycles in ((alone, decision.first), (found, decision.cycles)):
        assert one.configuration is not None
        programs = compile_segments(numbers, one.configuration, one.choices)
        assert sum(program_cycles(p, one.configuration).total for p in programs) == cycles
    assert decision.cycles <= decision.first


def test_long_programs_are_left_to_the_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "LONGEST", 1000)
    space = Space(lanes=(2,), winograd=("none",))
    assert explore(benchmark("squeezenet"), U200, array=(32, 64), space=space).decision is None


def test_a_chosen_mapping_costs_what_the_optimum_does() -> None:
    """The optimum's labels, chosen, have its cycles, and another label adds what was foretold."""
    network = without_dense(benchmark("googlenet"))
    model = OverlayModel()
    best = map_network(network, model, 32, 64)
    same = chosen_mapping(network, model, 32, 64, best.choice)
    assert (same.cycles, same.layers) == (best.cycles, best.layers)
    layer = best.layers[5]
    assert layer.alternative is not None
    other = chosen_mapping(network, model, 32, 64, best.choice | {layer.name: layer.alternative})
    assert other.cycles - best.cycles == pytest.approx(layer.alternative_extra)
