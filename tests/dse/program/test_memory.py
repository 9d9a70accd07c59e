"""Places in the tensor memory: what is written waits for nobody where there is room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.compile.compiler import compile_network
from dse.network.graph import Network, Window
from hw.isa import Engine, Opcode
from hw.isa.config import OverlayConfig
from tests.sim.test_functional import Builder


@pytest.fixture
def siblings() -> Network:
    """Four results of one image, each of which is stored as soon as it is there."""
    b = Builder(np.random.default_rng(1))
    x = b.input(6, 8, 5)
    return b.build(*(b.conv(x, 9, Window((3, 3), padding=(1, 1, 1, 1))) for _ in range(4)))


def waiting(network: Network, config: OverlayConfig) -> int:
    """Convolutions that wait for a STORE to have read what they would write over."""
    convs = [i for i in compile_network(network, config).instructions if i.opcode is Opcode.CONV]
    assert len(convs) == 4
    return sum(bool(one.field("wait") & 1 << Engine.STORE) for one in convs)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_place_stays_free_behind_its_last_reader(
    siblings: Network, config: OverlayConfig, copies: int
) -> None:
    """The fourth result has the place of the first, which was stored long ago."""
    assert waiting(siblings, replace(config, tensor_copies=copies)) <= 1
    assert waiting(siblings, replace(config, tensor_copies=copies, tensor_bytes=1024)) == 3
