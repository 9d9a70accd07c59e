"""What the passes' tests share: images, and the same pass with and without numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dse.network.graph import Network
from dse.network.numbers import without_numbers
from dse.network.prune import prune
from dse.passes import PassError
from sim import golden


def image(network: Network, seed: int) -> dict[str, np.ndarray]:
    """Random int8 values for every input of a network."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(-128, 128, network.tensors[name].shape).astype(np.int8)
        for name in network.inputs
    }


def same_bytes(network: Network, changed: Network, seed: int) -> None:
    """All tensors of a network are in the changed one, with the same bytes."""
    images = image(network, seed)
    expected, found = golden.run(network, images), golden.run(changed, images)
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], name)


def commutes(network: Network, change: Callable[[Network], Any]) -> None:
    """The outline of the changed network is the changed outline, or what else is found alike."""
    network = prune(network)

    def outcome(graph: Network) -> Any:
        try:
            found = change(graph)
        except PassError as error:
            return str(error)
        return without_numbers(found) if isinstance(found, Network) else found

    assert outcome(network) == outcome(without_numbers(network))
