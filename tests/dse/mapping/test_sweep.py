"""The array search against exhaustive search, its speed, its choices and its refusals."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from dse.cost import Dynamap, Infeasible, Label
from dse.cost.array_budget import rectangles
from dse.cost.cost_model import FloatArray, IntArray
from dse.mapping import Restriction, Single, Union, map_network, sweep
from dse.mapping.sweep import NEAR, RUNNERS
from dse.network.conv_shape import ConvShape
from dse.network.graph import Network
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark

MEMORY = Dynamap(bandwidth=76.8e9)
SLOW = Dynamap(bandwidth=76.8e9, winograd=())
U200 = {"dsp": 6840}


@cache
def alexnet() -> Network:
    """Read once: its fully connected layers take a second."""
    return benchmark("alexnet")


class Doubled(Dynamap):
    """Four times as fast, at two DSPs a PE."""

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        return super().cycles(conv, labels, arrays) / 4

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        return {"dsp": 2 * arrays.prod(axis=1)}


class Inline:
    """An executor that counts the arrays of its tasks."""

    def __init__(self) -> None:
        self.arrays = 0

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]:
        for graph, arrays in items:
            self.arrays += len(arrays)
            yield fn((graph, arrays))


def test_equals_the_mapping_of_every_array() -> None:
    network = benchmark("squeezenet")
    found = sweep(network, MEMORY, {"dsp": 30})
    costs = {(r, c): map_network(network, MEMORY, r, c).cycles for r, c in rectangles(30).tolist()}
    assert found.candidates == len(costs)
    assert found.best.cycles == min(costs.values())
    runners = [(point.rows, point.columns) for point in found.fastest]
    assert len(set(runners)) == len(runners) <= RUNNERS
    assert [point.cycles for point in found.fastest] == sorted(map(costs.get, runners))
    assert found.best.cycles == found.fastest[0].cycles >= found.fastest[-1].cycles / NEAR
    for limit in range(1, 31):
        least = min(cost for (r, c), cost in costs.items() if r * c <= limit)
        within = [point.cycles for point in found.pareto if point.dsp <= limit]
        assert min(within) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("name", ["googlenet", pytest.param("resnet-50", marks=pytest.mark.slow)])
def test_pruning_changes_nothing(name: str) -> None:
    network = benchmark(name)
    pruned = sweep(network, MEMORY, {"dsp": 2000})
    full = sweep(network, MEMORY, {"dsp": 2000}, exhaustive=True)
    assert pruned.pareto == full.pareto
    assert pruned.best.choice == full.best.choice
    assert pruned.solved < full.solved / 5 and full.solved == full.candidates
    assert (full.grids[0].bound <= full.grids[0].cycles).all()


@pytest.mark.parametrize(
    ("name", "array", "cycles", "seconds"),
    [
        ("googlenet", (213, 32), 174_426, 10.0),
        pytest.param("inception-v4", (206, 33), 1_724_132, 30.0, marks=pytest.mark.slow),
    ],
)
def test_all_arrays_of_the_u200(
    name: str, array: tuple[int, int], cycles: int, seconds: float
) -> None:
    found = sweep(without_dense(benchmark(name)), Dynamap(), U200)
    assert found.candidates == 61_482
    assert (found.best.rows, found.best.columns, found.best.cycles) == (*array, cycles)
    assert found.seconds <= seconds


def test_the_papers_array_is_the_best_of_its_size_for_googlenet() -> None:
    found = sweep(without_dense(benchmark("googlenet")), MEMORY, {"dsp": 92 * 66})
    assert (found.best.rows, found.best.columns) == (92, 66)


def test_the_pareto_set_trades_dsps_for_latency() -> None:
    found = sweep(alexnet(), MEMORY, {"dsp": 500})
    dsp = [point.dsp for point in found.pareto]
    latency = [point.latency_ms for point in found.pareto]
    assert dsp == sorted(set(dsp)) and latency == sorted(set(latency), reverse=True)
    assert found.pareto[-1].cycles == pytest.approx(found.best.cycles, rel=1e-12)
    assert found.cheapest(latency[3]) == found.pareto[3]
    data = json.loads(json.dumps(found.to_json()))
    assert len(data["pareto"]) == len(dsp) and data["best"]["dsp"] == dsp[-1]


def test_executors_see_every_array_and_change_nothing() -> None:
    network, inline = alexnet(), Inline()
    found = sweep(network, MEMORY, {"dsp": 800}, executor=inline, exhaustive=True)
    assert inline.arrays == 2 * found.candidates
    assert found.pareto == sweep(network, MEMORY, {"dsp": 800}).pareto


def test_processes_change_nothing() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = sweep(alexnet(), MEMORY, {"dsp": 60}, executor=pool)
    assert found.pareto == sweep(alexnet(), MEMORY, {"dsp": 60}).pareto


def _families() -> tuple[Union, ...]:
    """Slow hardware, and fast hardware of twice the DSPs."""
    return (Union((Doubled(),), (Single(SLOW, {"dsp": 300}), Single(Doubled(), {"dsp": 300}))),)


def test_families_equal_the_search_of_each() -> None:
    network = benchmark("squeezenet")
    joint = sweep(network, _families(), {"dsp": 300})
    apart = [sweep(network, model, {"dsp": 300}) for model in (SLOW, Doubled())]
    for limit in range(1, 301, 7):
        least = min(p.cycles for one in apart for p in one.pareto if p.dsp <= limit)
        assert min(p.cycles for p in joint.pareto if p.dsp <= limit) == pytest.approx(least)
    assert {type(point.model) for point in joint.pareto} == {Dynamap, Doubled}


def test_restrictions_and_given_arrays_are_kept() -> None:
    arrays = np.array([[16, 16], [32, 32], [64, 64]])
    only = Restriction(("im2col",), ("NS",))
    found = sweep(alexnet(), MEMORY, {"dsp": 1024}, arrays=arrays, restriction=only)
    assert (found.best.rows, found.candidates) == (32, 2)
    assert {layer.label for layer in found.best.layers} == {Label("im2col", "NS")}


def test_a_latency_out_of_reach_is_refused() -> None:
    found = sweep(alexnet(), MEMORY, {"dsp": 100})
    with pytest.raises(Infeasible, match=r"latency_ms needed .*, available 0\.001") as caught:
        found.cheapest(0.001)
    assert caught.value.needed == found.best.latency_ms
    assert "relax the latency or the budget" in str(caught.value)


def test_an_empty_budget_is_refused() -> None:
    with pytest.raises(Infeasible, match="dsp needed 1, available 0"):
        sweep(alexnet(), MEMORY, {"dsp": 0})


class Impossible(Dynamap):
    """No array can execute anything."""

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        return np.full_like(super().cycles(conv, labels, arrays), np.inf)


def test_a_network_that_fits_no_array_is_refused() -> None:
    with pytest.raises(Infeasible, match=r"alexnet: layer .* has no label on any of 10 arrays"):
        sweep(alexnet(), Impossible(), {"dsp": 5})


class WithMemory(Dynamap):
    """An array that also takes ten block RAMs a column."""

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        return {**super().resources(arrays), "bram36": 10 * arrays[:, 1]}


def test_what_fits_nowhere_is_refused_by_its_bound() -> None:
    with pytest.raises(Infeasible, match="bram36 needed 10, available 9, short by 1"):
        sweep(alexnet(), WithMemory(), {"dsp": 20, "bram36": 9})
