"""The figures of docs/decisions/0004: hand-counted cases, and what more choices may not do."""

from __future__ import annotations

import pytest

from benchmarks.weights import NETWORKS, Cost, best, eligible, shapes, weight_bytes, winograd
from dse.network.conv_shape import ConvShape
from hw.isa.transforms import F2, F4

LAYER = ConvShape(56, 56, 64, 64, (3, 3), padding=(1, 1, 1, 1))


def test_bytes() -> None:
    assert weight_bytes(LAYER, None) == 9 * 64 * 64
    assert weight_bytes(LAYER, F2) == 2 * 16 * 64 * 64
    assert weight_bytes(LAYER, F4) == 2 * 36 * 64 * 64
    long = ConvShape(17, 17, 8, 4, (1, 7), padding=(0, 3, 0, 3))
    assert weight_bytes(long, F2) == 3 * 2 * 16 * 8 * 4


@pytest.mark.parametrize(
    ("on_the_fly", "ws", "is_"),
    [(False, 36 * 48 * 8, 36 * 64 * 3), (True, 9 * 48 * 4, 9 * 64 * 2)],
)
def test_a_layer_by_hand(on_the_fly: bool, ws: int, is_: int) -> None:
    """14 x 14 tiles on 48 x 128 PEs: a chunk of 96 channels, one channel tile, two tiles of 128.

    A word of 256 weights or 96 activations takes 8 or 3 beats of 64 bytes, raw 4 or 2.  In IS the
    corner turn has 48 ceil(128 / 48) cycles for the 128 words of a chunk.
    """
    assert list(winograd(LAYER, F4, on_the_fly, 64)) == [
        Cost("F(4,3) WS", 36 * 14 * 14, ws),
        Cost("F(4,3) IS", 36 * 2 * 144, is_),
    ]


@pytest.mark.parametrize("network", NETWORKS)
def test_more_choices_cost_no_more(network: str) -> None:
    for conv in shapes(network).values():
        plain, offline, fly = (
            best(conv, 64, *kinds).cycles
            for kinds in ((False, False), (True, False), (False, True))
        )
        assert fly <= offline <= plain
        assert eligible(conv) or fly == plain
        assert best(conv, 128, False, True).cycles <= fly
