"""Memory blocks of designs as they are built, and searches that make room for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from amaranth.hdl import Fragment

from dse.pipeline import (
    Budget,
    BudgetError,
    Chain,
    Granule,
    cost_model,
    device_budget,
    load_device,
    load_network,
    resized,
    run,
    search_exact,
)
from dse.pipeline.exact import Exact
from dse.pipeline.model.loads import parse_network
from dse.pipeline.recount import BUFFERS, fitting, recounted
from hw.stages.layer_stage import LayerStage
from hw.stages.stage_memories import stage_memories
from tests.dse.pipeline.test_pixel_buffers import clocked
from tests.hw.stages.chain_drawing import draw_design
from tests.hw.stages.stage_drawing import draw_shape


@pytest.mark.parametrize("seed", range(10))
def test_memories_are_those_of_the_elaborated_stage(seed: int) -> None:
    shape = draw_shape(np.random.default_rng(seed))
    found = clocked(Fragment.get(LayerStage(shape=shape), None))
    told = [
        (part, size.width, size.depth)
        for part, size in stage_memories(shape).items()
        for _ in range(size.count)
    ]
    assert sorted(found) == sorted(told)
    assert set(stage_memories(shape)) <= set(BUFFERS)


@pytest.mark.parametrize("seed", range(6))
def test_a_built_design_is_never_smaller_than_searched(seed: int) -> None:
    """What a stage does not know of its neighbours makes memories larger."""
    design = draw_design(np.random.default_rng(seed))
    assert recounted(design).ram >= design.ram


def small_chain() -> Chain:
    """Two 3 x 3 convolutions of a small map, the first with many inputs."""
    layer = {"size_in": 12, "size_out": 12, "size_ker": 3, "stride": 1, "pad": 1, "n_out": 4}
    layers = [{"name": f"C{n_in}", "n_in": n_in, **layer} for n_in in (64, 4)]
    return parse_network("small", json.dumps({"layers": layers}))


@pytest.mark.parametrize(
    ("load", "loose"),
    [
        (small_chain, Budget(dsp=200, ram=400)),
        pytest.param(
            partial(load_network, "alexnet"),
            device_budget(load_device("vx690t")),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["small", "alexnet"],
)
def test_a_search_makes_room_for_what_it_could_not_know(
    load: Callable[[], Chain], loose: Budget
) -> None:
    """Packed, chains on the VX690T have words as wide as the beats that come."""
    device = load_device("vx690t")
    model = cost_model(device, bits=8, per_dsp=2)
    network = load()
    searched = search_exact(network, device, model, loose).design
    built = recounted(searched)
    assert built.ram > searched.ram
    tight = replace(loose, ram=built.ram - 1)
    given: list[int] = []

    def search(budget: Budget) -> Exact:
        given.append(budget.ram)
        return search_exact(network, device, model, budget)

    found = fitting(search, tight)
    assert found.design.ram <= tight.ram
    assert given == sorted(given, reverse=True)
    assert given[0] == tight.ram
    outcome = run(network, device, model, tight)
    assert outcome.exact.design.ram <= tight.ram
    assert outcome.exact.lower_bound <= outcome.exact.design.cycles


def test_what_never_fits_is_refused() -> None:
    device = load_device("kcu1500")
    network = resized(load_network("alexnet"), 67)
    model = cost_model(device)
    with pytest.raises(BudgetError, match="needs at least"):
        fitting(lambda given: search_exact(network, device, model, given), Budget(dsp=60, ram=5))


def test_segments_of_rows_are_not_built() -> None:
    device = load_device("kcu1500")
    model = cost_model(device, granule=Granule.ROW)
    design = search_exact(load_network("alexnet"), device, model, Budget(dsp=800, ram=5000)).design
    assert recounted(design) is design
