"""The cost graph: where layers, stores and arcs are, and what the PBQP of a network costs."""

import pickle

import numpy as np
import pytest

from dse.cost import Crossing, Dynamap, Infeasible, Label, as_arrays
from dse.cost.dynamap import WINOGRAD
from dse.mapping.build import Restriction, cost_graph
from dse.mapping.pbqp import solve
from dse.network.graph import Network
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import BENCHMARKS, benchmark
from dse.networks.weightless import light

MODEL = Dynamap(bandwidth=20e9)
CHAINS = {"alexnet", "vgg-19"}


def fork() -> Network:
    """A stem, a fork into two branches and a pooled one, a concat, a reader."""
    net = OutlineBuilder("fork", (16, 16, 8))
    x = net.conv("input", "stem", 16, 3)
    a = net.conv(x, "a", 8, 3)
    b = net.conv(x, "b", 8, 1)
    c = net.pool(x, "pool", 3)
    x = net.concat("concat", a, b, c)
    net.conv(x, "tail", 8, 3)
    return net.build()


def test_forks_split_into_layer_and_store() -> None:
    graph = cost_graph(fork(), MODEL)
    names = [vertex.name for vertex in graph.vertices]
    assert [(v.name, v.kind) for v in graph.vertices] == [
        ("input", "source"),
        ("stem", "layer"),
        ("stem:store", "store"),
        ("a", "layer"),
        ("b", "layer"),
        ("concat", "store"),
        ("tail", "layer"),
    ]
    assert [(names[arc.source], names[arc.target]) for arc in graph.arcs] == [
        ("input", "stem"),
        ("stem", "stem:store"),
        ("stem:store", "a"),
        ("stem:store", "b"),
        ("a", "concat"),
        ("b", "concat"),
        ("stem:store", "concat"),
        ("concat", "tail"),
    ]
    pooled = graph.arcs[6].crossing
    assert pooled.join == "concat" and pooled.producer is None
    assert [pool.kernel for pool in pooled.pools] == [(3, 3)]


def test_a_forked_pooling_is_stored_behind_the_pool() -> None:
    net = OutlineBuilder("net", (16, 16, 8))
    x = net.conv("input", "stem", 16, 3)
    x = net.pool(x, "pool", 2, stride=2)
    net.concat("concat", net.conv(x, "a", 8, 3), net.conv(x, "b", 8, 1))
    graph = cost_graph(net.build(), MODEL)
    arc = graph.arcs[1]
    assert graph.vertices[arc.target].name == "pool:store"
    assert arc.crossing.shape == (8, 8, 16) and len(arc.crossing.pools) == 1
    assert graph.arcs[2].crossing.pools == ()


def test_a_chain_costs_its_layers_and_transitions() -> None:
    net = OutlineBuilder("chain", (12, 12, 4))
    net.conv(net.conv("input", "first", 8, 3), "second", 16, 5)
    network = net.build()
    first, second = map(network.conv_shape, network.convolutions())
    arrays = as_arrays(7, 5)
    graph = cost_graph(network, MODEL)
    problem = graph.problem(arrays)
    for i, one in enumerate(graph.vertices[1].labels):
        for j, two in enumerate(graph.vertices[2].labels):
            parts = (
                MODEL.cycles(first, [one], arrays),
                MODEL.cycles(second, [two], arrays),
                MODEL.transition(
                    Crossing(first.input, None, first), [Label("plain")], [one], arrays
                ),
                MODEL.transition(Crossing(second.input, first, second), [one], [two], arrays),
            )
            expected = sum(float(part.sum()) for part in parts)
            assert problem.evaluate(np.array([[0, i, j]]))[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(BENCHMARKS.keys() - CHAINS),
        "densenet121",
        *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(CHAINS)),
    ],
)
def test_benchmarks_are_series_parallel(name: str) -> None:
    network = benchmark(name) if name in BENCHMARKS else light(name)
    assert solve(cost_graph(network, MODEL).condensed(as_arrays(64, 64))).core == 0


@pytest.mark.parametrize("name", ["googlenet", "squeezenet", "resnet-50"])
def test_condensing_keeps_the_optimum(name: str) -> None:
    model = Dynamap(bandwidth=20e9, winograd=tuple(WINOGRAD))
    graph = cost_graph(benchmark(name), model)
    arrays = np.array([[92, 66], [7, 200], [128, 16]])
    full, condensed = graph.problem(arrays), graph.condensed(arrays)
    assert sum(c.shape[1] for c in condensed.costs) < sum(c.shape[1] for c in full.costs)
    np.testing.assert_allclose(solve(condensed).cost, solve(full).cost, rtol=1e-12)


def test_restrictions_keep_what_is_legal_and_fall_back() -> None:
    graph = cost_graph(fork(), MODEL, Restriction(("winograd-f2",), ("WS",)))
    labels = {v.name: v.labels for v in graph.vertices if v.kind == "layer"}
    assert labels["a"] == (Label("winograd-f2", "WS"),)
    assert labels["b"] == (Label("im2col", "WS"),)


def test_a_restriction_without_way_out_is_refused() -> None:
    with pytest.raises(Infeasible) as caught:
        cost_graph(fork(), MODEL, Restriction(("kn2row",), fallback=None))
    assert "layer 'b': no label in algorithms ('kn2row',)" in str(caught.value)
    assert "allow one of im2col/NS, im2col/WS, im2col/IS" in str(caught.value)


def test_graphs_travel_between_processes() -> None:
    graph = cost_graph(fork(), MODEL)
    assert pickle.loads(pickle.dumps(graph)) == graph
