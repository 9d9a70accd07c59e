"""The execution order of a batch: two images take turns, layer by layer.

What one waits for, its results on their way through the array, a pooling or a transfer, is hidden
by the other's layer (docs/decisions/0022-batches.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dse.compile.layers import ConvLayer, Layer
from dse.compile.order import dependencies, interleave
from dse.compile.residual import fuse
from dse.network.batches import of_image
from dse.network.graph import Network
from dse.passes.copies import Batch
from hw.isa.config import OverlayConfig

TOGETHER = 2
"""Images that take turns; of more, poolings pile up on their engine, and the array waits."""


def orders(single: Network, batch: Batch, config: OverlayConfig) -> Iterator[tuple[Layer, ...]]:
    """Orders of all layers, the best first if there is memory for all that is alive in them.

    The last ones compute one image after the other.

    With one copy of the tensor memory poolings would take the feeder's turns: nothing is gained by
    layers of one image that interleave.
    """
    ways = [fuse(single)]
    if config.tensor_copies > 1:
        ways.insert(0, interleave(single, ways[0], config))
    copies = {layer.output: layer for layer in fuse(batch.network)}
    for together in (TOGETHER, 1) if batch.images > 1 else (1,):
        for way in ways:
            steps = [[layer] for layer in way] if together == 1 else _steps(single, way)
            yield tuple(
                copies[of_image(layer.output, image, batch.images)]
                for first in range(0, batch.images, together)
                for step in steps
                for image in range(first, min(first + together, batch.images))
                for layer in step
            )


def _steps(network: Network, layers: Sequence[Layer]) -> list[list[Layer]]:
    """What an image does in its turn: a convolution, and what runs beside the array and reads it.

    So the two stay together, in bands where that pays.
    """
    needs = dependencies(network, layers)
    steps: dict[int, list[Layer]] = {}
    for index, layer in enumerate(layers):
        (source,) = needs[index] if len(needs[index]) == 1 else (-1,)
        if isinstance(layer, ConvLayer) or not isinstance(layers[source], ConvLayer) or source < 0:
            steps[index] = [layer]
        else:
            steps[source].append(layer)
    return list(steps.values())
