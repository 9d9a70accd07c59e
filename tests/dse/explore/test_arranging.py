"""Which siblings are merged, and on which of the fastest arrays."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from boards.board import U200
from dse.assembly.program_error import ProgramError
from dse.compile.segmented import compile_segments
from dse.cost import Infeasible
from dse.cost.overlay_model import OverlayModel
from dse.explore.arranging import Arrangements
from dse.explore.families import WINOGRAD, Space
from dse.explore.objectives import Objective
from dse.explore.search import explore, predict
from dse.mapping import Restriction
from dse.network.graph import Concat, Conv, Network, Tensor, Window
from dse.network.numbers import with_random_numbers
from dse.network.prune import without_dense
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import benchmark
from dse.passes import Passes, apply, merged_name
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig
from tests.kit.outlines import fires, modules

SLOW = pytest.mark.slow


def joined(branches: int) -> Network:
    """1 x 1 convolutions of one tensor, concatenated: parts that are not neighbours need a copy."""
    net = OutlineBuilder("joined", (8, 8, 16))
    parts = [net.conv("input", f"c{k}", 4, 1) for k in range(branches)]
    net.conv(net.concat("j", *parts), "y", 8, 3)
    return net.build()


@pytest.mark.parametrize("branches", [3, 4])
def test_parts_that_need_a_copy_are_not_offered(branches: int) -> None:
    network = joined(branches)
    model = OverlayModel(template=OverlayConfig())
    found = Arrangements(network, Passes()).worth(model, 16, 16, Restriction())
    convs = {conv.name for conv in apply(network, Passes(), found).convolutions()}
    assert convs >= {merged_name(group) for group in found.groups}
    chosen = explore(network, U200, array=(8, 8), space=Space(lanes=(2,)), trials=False)
    assert chosen.certified_gap == 0


@pytest.mark.parametrize(
    ("network", "dsp", "winograd"),
    [
        (fires(), 200, ("none", "f2")),
        pytest.param(fires(), 400, WINOGRAD, marks=SLOW),
        pytest.param(without_dense(benchmark("googlenet")), 400, WINOGRAD, marks=SLOW),
    ],
    ids=["few", "fires", "googlenet"],
)
def test_the_front_holds_the_chosen_design_and_merging_counts_for_few_dsps(
    network: Network, dsp: int, winograd: tuple[str, ...]
) -> None:
    board = replace(U200, dsp=dsp)
    search = partial(explore, network, board, space=Space(winograd=winograd), trials=False)
    best = search()
    assert best.pareto[-1].latency_ms == best.mapping.latency_ms
    assert [p.dsp for p in best.pareto] == sorted({p.dsp for p in best.pareto})
    tight = search(objective=Objective.DSP, latency_ms=best.mapping.latency_ms)
    assert tight.mapping.latency_ms <= best.mapping.latency_ms
    assert tight.mapping.dsp <= best.mapping.dsp
    with pytest.raises(Infeasible, match="latency_ms needed"):
        search(objective=Objective.DSP, latency_ms=0.9 * best.mapping.latency_ms)


def test_results_are_copied_where_layers_gain_more_than_a_copy_takes() -> None:
    model = OverlayModel(template=OverlayConfig(lanes=2))
    offers = partial(Arrangements(modules(28), Passes()).worth, model, 48, 128, Restriction())
    found = offers()
    assert found.groups == (("3x3_reduce", "5x5_reduce", "1x1"),)
    assert set(found.apart) == {"5x5_reduce", "5x5"}
    assert offers(apart=False).apart == ()
    folds = Passes(fold=False)
    assert Arrangements(modules(28), folds).worth(model, 48, 128, Restriction()).apart == (
        "5x5_reduce",
    )


def test_a_copy_into_a_concatenation_counts_once() -> None:
    """A narrow convolution: folded, it saves a third more than its copy takes."""
    net = OutlineBuilder("net", (112, 112, 8))
    parts = net.conv("input", "c", 8, 3), net.conv("input", "d", 16, 1)
    net.conv(net.concat("j", *parts), "y", 16, 1)
    model = OverlayModel(template=OverlayConfig(lanes=2, tensor_copies=2))
    found = Arrangements(net.build(), Passes()).worth(model, 16, 64, Restriction())
    assert "c" in found.apart


def in_segments(width: int) -> Network:
    """A concatenation with what the host brings is of a later segment than a part of it."""
    net = OutlineBuilder("net", (width, width, 16))
    a, c = (net.conv("input", name, 4, 3) for name in "ac")
    first = net.build()
    wide = {"h": 8, "j": 12, "y": 8}
    tensors = {name: Tensor(name, width, width, channels) for name, channels in wide.items()}
    return replace(
        first,
        tensors={**first.tensors, **tensors},
        operators=(
            *first.operators,
            Concat("j", (c, "h"), "j"),
            Conv("y", "j", "y", Window()),
        ),
        inputs=("input", "h"),
        outputs=(a, "y"),
        arrivals={"h": 1},
    )


@pytest.mark.parametrize(
    ("width", "in_place"),
    [
        (56, True),
        (37, False),
        pytest.param(56, False, marks=SLOW),
        pytest.param(37, True, marks=SLOW),
    ],
)
def test_what_leaves_a_segment_is_neither_copied_nor_has_gaps(width: int, in_place: bool) -> None:
    network = in_segments(width)
    found = explore(
        network,
        U200,
        array=(16, 128),
        space=Space(lanes=(2,)),
        passes=Passes(concat_in_place=in_place),
        trials=False,
        certify=False,
    )
    assert found.arrangement.apart == ()
    execution = predict(found, network).execution
    assert execution is not None
    assert len(execution.programs) == 2


@pytest.mark.parametrize("mapping", [{"apart": ("no",)}, {"merge": (("a", "no"),)}])
def test_unknown_names_are_errors_in_segments_too(mapping: dict) -> None:
    network = with_random_numbers(in_segments(8))
    config = OverlayConfig(rows=8, columns=8)
    with pytest.raises(ProgramError, match="no convolution named 'no'"):
        compile_segments(network, config, LayerMapping(**mapping))


@pytest.mark.parametrize("width", [7, pytest.param(28, marks=SLOW)])
def test_the_exact_model_may_decide_against_copies(width: int) -> None:
    network = modules(width)
    found = explore(network, U200, array=(48, 96), space=Space(lanes=(2,)), certify=False)
    assert found.decision is not None
    plain = explore(
        network,
        U200,
        array=(48, 96),
        space=Space(lanes=(2,)),
        certify=False,
        passes=Passes(apart=False),
    )
    assert plain.arrangement.apart == ()
    assert plain.decision is not None
    assert found.decision.cycles <= plain.decision.cycles
