"""Which siblings are merged, and on which of the fastest arrays."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from boards.board import U200
from dse.cost import Infeasible
from dse.cost.overlay_model import OverlayModel
from dse.explore.families import Space
from dse.explore.merging import Merges
from dse.explore.objectives import Objective
from dse.explore.search import explore
from dse.mapping import Restriction
from dse.network.graph import Network
from dse.network.prune import without_dense
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import benchmark
from dse.passes import Passes, apply
from hw.isa.config import OverlayConfig


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
    groups = Merges(network, Passes()).worth(model, 16, 16, Restriction())
    assert apply(network, Passes(), groups)
    found = explore(network, U200, array=(8, 8), space=Space(lanes=(2,)), trials=False)
    assert found.certified_gap == 0


@pytest.mark.parametrize("name", ["squeezenet", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_the_front_holds_the_chosen_design_and_merging_counts_for_few_dsps(name: str) -> None:
    network = without_dense(benchmark(name))
    board = replace(U200, dsp=400)
    search = partial(explore, network, board, trials=False)
    best = search()
    assert best.pareto[-1].latency_ms == best.mapping.latency_ms
    assert [p.dsp for p in best.pareto] == sorted({p.dsp for p in best.pareto})
    tight = search(objective=Objective.DSP, latency_ms=best.mapping.latency_ms)
    assert tight.mapping.latency_ms <= best.mapping.latency_ms
    assert tight.mapping.dsp <= best.mapping.dsp
    with pytest.raises(Infeasible, match="latency_ms needed"):
        search(objective=Objective.DSP, latency_ms=0.9 * best.mapping.latency_ms)
