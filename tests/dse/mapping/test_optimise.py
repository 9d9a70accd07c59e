"""Mappings of whole networks: check values, optimality, speed, and the report's arithmetic."""

import json
from collections.abc import Sequence
from functools import cache
from time import process_time

import numpy as np
import pytest

from dse.cost import Dynamap, Infeasible, Label, ScaleSim
from dse.cost.cost_model import FloatArray, IntArray
from dse.mapping import Restriction, certify_mapping, map_network
from dse.network.conv_shape import ConvShape
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark
from dse.passes import layer_shapes

MEMORY = Dynamap(bandwidth=76.8e9)


@cache
def convolutional(name: str):
    return without_dense(benchmark(name))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "restriction", "latency"),
    [
        ("googlenet", 92, 66, Restriction(("im2col",), ("NS",)), 1.244),
        ("googlenet", 92, 66, Restriction(("im2col",)), 0.975),
        ("googlenet", 92, 66, None, 0.729),
        ("inception-v4", 95, 64, Restriction(("im2col",), ("NS",)), 9.378),
        ("inception-v4", 95, 64, Restriction(("im2col",)), 7.652),
        ("inception-v4", 95, 64, None, 6.939),
    ],
)
def test_check_values_of_the_paper(
    name: str, rows: int, columns: int, restriction: Restriction | None, latency: float
) -> None:
    mapping = map_network(convolutional(name), Dynamap(), rows, columns, restriction=restriction)
    assert round(mapping.latency_ms, 3) == latency
    assert mapping.transfer == 0


def test_scalesim_maps_too() -> None:
    mapping = map_network(
        convolutional("googlenet"), ScaleSim(), 92, 66, restriction=Restriction(None, ("WS",))
    )
    assert mapping.cycles == 603_471


@pytest.mark.parametrize("name", ["googlenet", "inception-v4", "squeezenet"])
def test_optimal_with_memory_and_certified(name: str) -> None:
    network = convolutional(name)
    mapping = map_network(network, MEMORY, 92, 66)
    certificate = certify_mapping(network, MEMORY, mapping)
    assert mapping.core == 0
    assert certificate.gap == pytest.approx(0, abs=1e-12 * mapping.cycles)
    assert certificate.bound == pytest.approx(mapping.cycles, rel=1e-9)


def test_greedy_is_worse_on_squeezenet_and_the_certificate_says_so() -> None:
    network = convolutional("squeezenet")
    optimal = map_network(network, MEMORY, 92, 66)
    greedy = map_network(network, MEMORY, 92, 66, method="greedy")
    assert greedy.cycles > 1.02 * optimal.cycles
    # One layer's alternative alone would already save cycles: its extra is negative.
    assert min(layer.alternative_extra or 0 for layer in greedy.layers) < 0
    gap = certify_mapping(network, MEMORY, greedy).gap
    assert gap == pytest.approx(greedy.cycles - optimal.cycles, rel=1e-9)


def test_inception_v4_is_mapped_within_a_tenth_of_a_second() -> None:
    """Of processor time, whatever else the machine does."""
    network = convolutional("inception-v4")

    def seconds() -> float:
        start = process_time()
        map_network(network, MEMORY, 95, 64)
        return process_time() - start

    assert min(seconds() for _ in range(3)) <= 0.1


def test_the_table_adds_up() -> None:
    network = convolutional("googlenet")
    mapping = map_network(network, MEMORY, 92, 66)
    layers, stores = mapping.layers, mapping.stores
    assert [layer.name for layer in layers] == [conv.name for conv in network.convolutions()]
    transfer = sum(layer.transfer for layer in layers) + sum(store.transfer for store in stores)
    assert mapping.compute + transfer == pytest.approx(mapping.cycles, rel=1e-12)
    for layer in layers:
        assert layer.utilisation == pytest.approx(layer.macs / layer.compute / 6072)
        assert layer.alternative is not None and layer.alternative != layer.label
        assert layer.alternative_extra is not None and layer.alternative_extra >= -1e-6


def test_the_alternative_costs_what_it_says() -> None:
    network = convolutional("squeezenet")
    mapping = map_network(network, Dynamap(), 92, 66)
    layer = min(mapping.layers, key=lambda layer: layer.alternative_extra or np.inf)
    model, array = Dynamap(), np.array([[92, 66]])
    conv = layer_shapes(network)[layer.name]
    assert layer.alternative is not None
    costs = model.cycles(conv, [layer.label, layer.alternative], array)[0]
    assert layer.alternative_extra == costs[1] - costs[0] > 0


def test_a_single_label_has_no_alternative() -> None:
    only = Restriction(("im2col",), ("WS",))
    mapping = map_network(convolutional("alexnet"), MEMORY, 92, 66, restriction=only)
    assert {layer.label for layer in mapping.layers} == {Label("im2col", "WS")}
    assert all(layer.alternative is None for layer in mapping.layers)


def test_to_json_is_plain_data() -> None:
    mapping = map_network(convolutional("alexnet"), MEMORY, 92, 66)
    data = json.loads(json.dumps(mapping.to_json()))
    assert data["array"] == "92x66"
    assert data["latency_ms"] == mapping.latency_ms
    assert data["layers"][0]["label"]["algorithm"] == mapping.layers[0].label.algorithm


class Narrow(Dynamap):
    """An array that cannot hold more than 200 output channels."""

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        cycles = super().cycles(conv, labels, arrays)
        return np.where(conv.cout > 200, np.inf, cycles)


def test_an_impossible_layer_is_named() -> None:
    with pytest.raises(
        Infeasible, match=r"alexnet: layer 'conv2' .* has no label on a 92 x 66 array"
    ):
        map_network(convolutional("alexnet"), Narrow(), 92, 66)
