"""A network for several images: names, and the bytes of each."""

from __future__ import annotations

import numpy as np

from dse.network.batches import apart, together
from dse.network.prune import prune
from dse.passes.copies import batched
from sim import golden
from tests.dse.passes.graphs import image
from tests.sim.test_functional import branchy


def test_a_batch_of_one_is_the_network() -> None:
    network = branchy()
    assert batched(network, 1).network == network


def test_each_image_is_as_it_is_alone() -> None:
    network = prune(branchy())
    images = [image(network, seed) for seed in range(3)]
    found = apart(golden.run(batched(network, 3).network, together(images, 3)), 3)
    for own, values in zip(images, found, strict=True):
        expected = golden.run(network, own)
        assert values.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(values[name], value, name)


def test_copies_share_their_numbers() -> None:
    network = branchy()
    whole = batched(network, 3)
    numbers = {id(conv.numbers) for conv in whole.network.convolutions()}
    assert numbers == {id(conv.numbers) for conv in network.convolutions()}
