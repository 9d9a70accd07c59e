"""A network for several images: names, and the bytes of each."""

from __future__ import annotations

import numpy as np

from dse.network.batches import apart, together
from dse.network.graph import Window
from dse.network.prune import prune
from dse.passes.copies import batched
from sim import golden
from tests.dse.passes.graphs import image
from tests.sim.test_functional import Builder, branchy


def test_a_batch_of_one_is_the_network() -> None:
    network = branchy()
    assert batched(network, 1).network == network


def test_each_image_is_as_it_is_alone() -> None:
    network = prune(branchy())
    images = [image(network, seed) for seed in range(3)]
    found = apart(golden.run(batched(network, 3).network, together(images, 3)), 3)
    for own, values in zip(images, found, strict=True):
        expected = golden.run(network, own)
        assert values.keys() >= set(network.inputs) | set(network.outputs)
        for name in values:
            np.testing.assert_array_equal(values[name], expected[name], name)


def test_copies_share_their_numbers() -> None:
    network = branchy()
    whole = batched(network, 3)
    assert whole.shared == {"conv8"}
    numbers = {id(c.numbers) for c in whole.network.convolutions() if c.name != "all/conv8"}
    assert numbers == {id(c.numbers) for c in network.convolutions() if c.name != "conv8"}


def test_gates_are_not_shared() -> None:
    """They see one pixel, too, but their block's tensors would have to stay for all images."""
    b = Builder(np.random.default_rng(1))
    x = b.conv(b.input(6, 6, 4), 4, Window((3, 3), padding=(1, 1, 1, 1)))
    gate = b.conv(b.pool(x, "average", Window((6, 6))), 4, Window())
    gated = b.combine(x, gate, "product")
    last = b.conv(b.pool(gated, "average", Window((6, 6))), 5, Window())
    network = b.build(last)
    (head,) = batched(network, 2).shared
    assert network.producers[last].name == head
