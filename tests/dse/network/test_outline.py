"""Outlines: what they keep of a network, what they refuse, and random numbers for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Conv, Network, NetworkError, Window
from dse.network.inputs import read_arrays
from dse.network.numbers import with_random_numbers, without_numbers
from dse.networks.catalogue import BENCHMARKS, benchmark
from dse.onnx import importer
from hw.isa.config import OverlayConfig
from sim import golden
from tests.fuzz.drawn import drawn_network

DIGITS = Path(__file__).parents[3] / "examples" / "digits"
CONFIG = OverlayConfig(rows=8, columns=12, tensor_bytes=1 << 16)


@pytest.fixture(scope="module")
def digits() -> Network:
    calibration = read_arrays(DIGITS / "calibration.npz")
    return importer.load(DIGITS / "digits.onnx", calibration).network


LARGE = {"alexnet", "vgg-19"}  # their fully connected layers take seconds


@pytest.mark.parametrize(
    "name",
    [
        *sorted(BENCHMARKS.keys() - LARGE),
        *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(LARGE)),
    ],
)
def test_random_numbers_change_nothing_else(name: str) -> None:
    network = benchmark(name)
    assert network.is_outline
    assert without_numbers(network) == network
    if network.macs() < 1e9:
        assert without_numbers(with_random_numbers(network)) == network


def test_a_float_model_is_an_outline_before_it_is_calibrated(digits: Network) -> None:
    """The same operators, but for what calibration alone asks for: there is nothing here."""
    found = importer.outline(DIGITS / "digits.onnx")
    assert found.is_outline and not digits.is_outline
    assert without_numbers(found) == without_numbers(digits)
    assert found.macs() == digits.macs()


def test_cycles_depend_on_shapes_alone(digits: Network) -> None:
    totals = [
        program_cycles(compile_network(one, CONFIG), CONFIG).total
        for one in (digits, with_random_numbers(without_numbers(digits), seed=7))
    ]
    assert totals[0] == totals[1]


@pytest.mark.parametrize("seed", range(20))
def test_drawn_networks_keep_shapes_and_edges(seed: int) -> None:
    network = drawn_network(np.random.default_rng(seed))
    found = without_numbers(network)
    assert found.is_outline and found.macs() <= network.macs()
    known = {op.name: op for op in network.operators}
    for op in found.operators:
        assert (op.inputs, op.output) == (known[op.name].inputs, known[op.name].output)
    for name, tensor in found.tensors.items():
        assert tensor.shape == network.tensors[name].shape


def test_outlines_are_refused_where_numbers_are_needed() -> None:
    network = benchmark("squeezenet")
    message = "^network 'squeezenet' is an outline, without weights and quantisations: import the"
    with pytest.raises(NetworkError, match=message):
        compile_network(network, CONFIG)
    with pytest.raises(NetworkError, match=message):
        golden.run(network, {name: np.zeros(3, np.int8) for name in network.inputs})
    conv = next(network.convolutions())
    with pytest.raises(NetworkError, match="operator 'conv1' has no weights: it is part of an out"):
        _ = conv.weight
    tensor = network.tensors[conv.output]
    with pytest.raises(NetworkError, match="has no quantisation: it is part of an outline"):
        _ = tensor.zero_point


def test_numbers_are_given_as_a_whole(digits: Network) -> None:
    name, tensor = next(iter(digits.tensors.items()))
    tensors = {**digits.tensors, name: replace(tensor, quantisation=None)}
    with pytest.raises(NetworkError, match="quantisations"):
        replace(digits, tensors=tensors)
    silent = tuple(
        replace(op, numbers=None) if isinstance(op, Conv) else op for op in digits.operators
    )
    with pytest.raises(NetworkError, match="only some of its weights and quantisations are given"):
        replace(digits, operators=silent)


def test_groups_must_divide_the_channels_of_an_outline() -> None:
    network = benchmark("squeezenet")
    first = next(network.convolutions())
    assert first.window != Window()
    for groups in (2, 3):
        operators = (replace(first, groups=groups),)
        with pytest.raises(NetworkError, match="disagree"):
            replace(network, operators=operators, outputs=(first.output,))
