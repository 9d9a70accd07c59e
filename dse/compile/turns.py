"""The execution order of a batch: two images take turns, layer by layer.

What one waits for, its results on their way through the array, a pooling or a transfer, is hidden
by the other's layer (docs/decisions/0022-batches.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, product

from dse.compile.durations import durations
from dse.compile.layers import ConvLayer, Layer
from dse.compile.order import dependencies, interleave
from dse.compile.residual import fuse
from dse.compile.views import lay_out
from dse.network.batches import joint, of_image
from dse.network.graph import Network
from dse.passes.copies import Batch
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig

TOGETHER = 2
"""Images that take turns; of more, poolings pile up on their engine, and the array waits."""


def orders(
    single: Network,
    batch: Batch,
    beside: frozenset[str],
    config: OverlayConfig,
    mapping: LayerMapping,
) -> Iterator[tuple[Layer, ...]]:
    """Orders of all layers, the best first if there is memory for all that is alive in them.

    ``beside``: the single network's depthwise convolutions that the array does not take;
    ``mapping``: of its layers.

    The last ones compute one image after the other.

    With one copy of the tensor memory poolings would take the feeder's turns: nothing is gained by
    layers of one image that interleave.
    """
    ways = [fuse(single, beside)]
    if config.tensor_copies > 1:
        cycles = durations(single, ways[0], lay_out(single), config, mapping)
        ways.insert(0, interleave(single, ways[0], cycles, config))
    layers = fuse(batch.network, batch.copied(dict.fromkeys(beside)))
    for together in (TOGETHER, 1) if batch.images > 1 else (1,):
        for way in ways:
            steps = [[layer] for layer in way] if together == 1 else _steps(single, way)
            wanted = list(_names(steps, batch, together))
            yield _in_order(batch.network, layers, wanted)


def _names(steps: Sequence[Sequence[Layer]], batch: Batch, together: int) -> Iterator[str]:
    """The results of all layers in turns; what all images share waits for all of them."""
    images = batch.images
    for shared, section in groupby(steps, lambda step: step[0].name in batch.shared):
        own = list(section)
        for first in range(0, images, together):
            for step in own:
                turns = range(first, min(first + together, images))
                for image, layer in product(turns, step):
                    yield joint(layer.output) if shared else of_image(layer.output, image, images)


def _in_order(
    network: Network, layers: Sequence[Layer], wanted: Sequence[str]
) -> tuple[Layer, ...]:
    """The layers by their results, each behind all that it reads."""
    index = {layer.output: number for number, layer in enumerate(layers)}
    needs = dependencies(network, layers)
    placed: dict[int, None] = {}

    def place(number: int) -> None:
        if number not in placed:
            for need in sorted(needs[number]):
                place(need)
            placed[number] = None

    for name in (*wanted, *index):
        if name in index:
            place(index[name])
    return tuple(layers[number] for number in placed)


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
