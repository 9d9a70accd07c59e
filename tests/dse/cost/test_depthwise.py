"""Depthwise convolutions beside the array: what the search counts is what the compiler makes."""

from __future__ import annotations

import numpy as np
import pytest

from dse.compile.compiler import compile_network
from dse.cost.cost_model import Label, as_arrays
from dse.cost.overlay_model import OverlayModel
from dse.explore.needs import needs
from dse.mapping import map_network
from dse.network.graph import Network, Window
from dse.passes import layer_shapes
from dse.tiling.layer_mapping import Choice, LayerMapping
from dse.tiling.legality import ConvAlgorithm, against_depthwise
from hw.isa.config import DEPTHWISE_BLOCKS, DEPTHWISE_ROWS, OverlayConfig
from hw.isa.timing import DISPATCH
from tests.sim.test_functional import Builder

ARRAY = (4, 6)
BESIDE = Label("depthwise")
SAME = Window((3, 3), padding=(1, 1, 1, 1))
WINDOWS = (
    SAME,
    Window((5, 5), (2, 2), padding=(2, 2, 2, 2)),
    Window((3, 4), dilation=(1, 2)),
    Window((1, 9), padding=(0, 4, 0, 4)),
    Window((9, 2)),
)


def alone(window: Window, channels: int, added: bool = False) -> Network:
    b = Builder(np.random.default_rng(1))
    x = b.input(11, 12, channels)
    y = b.conv(x, channels, window, channels)
    return b.build(b.add(y, x) if added else y)


def template(depthwise: int) -> OverlayConfig:
    return OverlayConfig(rows=ARRAY[0], columns=ARRAY[1], depthwise=depthwise)


@pytest.mark.parametrize("depthwise", [1, 3, 5])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("channels", [5, 300])
def test_cycles_are_the_instructions(depthwise: int, window: Window, channels: int) -> None:
    network = alone(window, channels)
    ((name, shape),) = layer_shapes(network).items()
    config = template(depthwise)
    found = OverlayModel(template=config).cycles(shape, [BESIDE], as_arrays(*ARRAY))
    forced = LayerMapping({name: Choice(None, ConvAlgorithm.DEPTHWISE)})
    (layer,) = compile_network(network, config, forced).manifest.layers
    assert layer.kind == "depthwise"
    assert found.item() == layer.cycles + DISPATCH


def test_parts_leave_room_for_the_next() -> None:
    """Half of the rows and of the blocks, but for a block that has more."""
    config = template(3)
    for window, channels in ((SAME, 600), (Window((9, 9), padding=(4,) * 4), 40)):
        network = alone(window, channels)
        ((name, _),) = layer_shapes(network).items()
        forced = LayerMapping({name: Choice(None, ConvAlgorithm.DEPTHWISE)})
        codes = compile_network(network, config, forced).instructions
        pools = [code for code in codes if code.opcode.name == "POOL"]
        assert sum(code.field("channels") for code in pools) == channels
        for code in pools:
            blocks = -(-code.field("channels") // config.pool_channels)
            assert blocks <= DEPTHWISE_BLOCKS // 2
            per_pass = code.field("passes") if code.field("window_groups") else window.kernel[1]
            assert blocks * window.kernel[0] * per_pass <= DEPTHWISE_ROWS // 2


def test_the_mapping_takes_it_where_it_pays() -> None:
    network = alone(SAME, 40)
    with_it, without = (
        map_network(network, OverlayModel(template=template(n)), *ARRAY) for n in (3, 0)
    )
    assert [layer.label for layer in with_it.layers] == [BESIDE]
    assert with_it.cycles < without.cycles
    assert all(layer.label.algorithm != "depthwise" for layer in without.layers)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (alone(SAME, 7, added=True), "summand"),
        (alone(Window((11, 12)), 7), ""),
    ],
)
def test_legality(network: Network, why: str) -> None:
    (shape,) = layer_shapes(network).values()
    assert why in against_depthwise(shape)
    assert bool(why) == bool(against_depthwise(shape))


def test_more_taps_than_a_sum_has_room_for() -> None:
    b = Builder(np.random.default_rng(1))
    x = b.input(16, 32, 3)
    network = b.build(b.conv(x, 3, Window((16, 32)), 3))
    (shape,) = layer_shapes(network).values()
    assert "512 taps are more than 511" in against_depthwise(shape)


def test_needs_are_the_columns_of_the_widest_kernel() -> None:
    assert needs(alone(SAME, 7)).depthwise == 3
    assert needs(alone(WINDOWS[3], 7)).depthwise == 5
    assert needs(alone(SAME, 7, added=True)).depthwise == 0
