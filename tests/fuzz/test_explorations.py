"""A few explorations of random networks; the many are a command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import polymap
from dse.compile.compiler import compile_network
from dse.network.graph import Conv, Window
from tests.fuzz.campaign import campaign
from tests.fuzz.explorations import judge
from tests.sim.test_functional import Builder

SEEDS = (1, 2, 28, 1032, 1039, 3002, 3003, 3004)  # without RTL; refusals, no convolution


def test_what_is_explored_comes_true() -> None:
    found = campaign(judge, SEEDS, workers=1)
    assert found.bad == ()
    assert found.kinds["kept"] >= 5


def test_large_biases_widen_the_accumulators() -> None:
    b = Builder(np.random.default_rng(0))
    network = b.build(b.conv(b.input(4, 4, 2), 3, Window()))
    (conv,) = network.operators
    assert isinstance(conv, Conv)
    assert conv.numbers is not None
    loud = replace(conv, numbers=replace(conv.numbers, bias=np.full(3, 1 << 27, np.int32)))
    network = replace(network, operators=(loud,))
    found = polymap.explore(network, None, array=(4, 4), certify=False)
    assert found.configuration is not None
    assert found.configuration.accumulator_bits == 29
    compile_network(network, found.configuration, found.choices)
