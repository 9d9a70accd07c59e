"""Bands: a convolution and the pooling that reads it run side by side, some rows apart.

Array and pooling engine are concurrent, but a pooling needs its rows.  Cut into bands of rows, the
pooling follows the convolution band by band, so that only its last band is left when the array is
done; and the next convolution, if it reads the pooling, starts with the rows that are there.  Every
band streams the weights anew, so there are only as many as pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dse.compile.durations import beside_cycles, conv_cycles
from dse.compile.layers import ConvLayer, Layer, Role, WindowLayer
from dse.compile.lifetime import completions
from dse.compile.packing import cut
from dse.compile.strips import cuts, source_rows
from dse.compile.views import Layout
from dse.cost.between import SHORTEST
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import LayerMapping
from dse.tiling.legality import ConvAlgorithm
from hw.isa.config import OverlayConfig, ceil_div

BANDS = (2, 3, 4, 5, 6, 8, 11, 16)

Ends = tuple[int, ...]
"""The output rows at which a layer's bands end."""


@dataclass(frozen=True)
class Bands:
    """A convolution and a pooling by their numbers; the bands of these and of a layer behind.

    ``tail``: cycles from the convolution's end to the pooling's.
    """

    conv: int
    pool: int
    ends: Mapping[int, Ends]
    tail: int


def find_bands(
    network: Network,
    layers: Sequence[Layer],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> tuple[Bands, ...]:
    """All pairs of a convolution and a pooling that gain by it."""
    found = [
        bands
        for time, conv, follower, pool in pairs(network, layers)
        if (bands := _best(network, time, conv, follower, pool, layout, config, mapping))
    ]
    taken = {time for bands in found for time in bands.ends}
    for index, bands in enumerate(found):
        behind = _behind(network, layers, bands, layout, config, mapping)
        if behind and not taken & behind.keys():
            found[index] = Bands(bands.conv, bands.pool, {**bands.ends, **behind}, bands.tail)
    return tuple(found)


def pool_ends(window: Window, height: int, rows: Sequence[int], pool_height: int) -> Ends:
    """The rows of a pooling that can follow each band of its input, which ends at ``rows``.

    As many as there are for those rows, and all behind the last band; no band is empty.
    """
    ends: list[int] = []
    for end in rows[:-1]:
        ends.append(ready_rows(window, height, end, pool_height))
    return tuple(dict.fromkeys([*(end for end in ends if 0 < end < pool_height), pool_height]))


def ready_rows(window: Window, height: int, rows: int, outputs: int) -> int:
    """Of a layer's output rows those that read no more than the first rows of its input."""
    found = 0
    while found < outputs and source_rows(window, height, 0, found + 1)[1] <= rows:
        found += 1
    return found


def _best(
    network: Network,
    time: int,
    conv: ConvLayer,
    follower: int,
    pool: WindowLayer,
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> Bands | None:
    height, pool_height = (layout.views[layer.output].height for layer in (conv, pool))
    pooling = beside_cycles(network, pool, config)
    best, least = None, conv_cycles(conv, height, layout, config, mapping) + pooling
    multiple = _tile_rows(conv, layout, config, mapping)
    for count in BANDS:
        rows = multiple * ceil_div(ceil_div(height, count), multiple)
        ends = tuple(end for _, _, end in cuts(height, rows))
        following = pool_ends(pool.window, height, ends, pool_height)
        if len(following) < 2:
            continue
        array = [
            conv_cycles(conv, end - first, layout, config, mapping)
            for first, end in pairwise((0, *ends))
        ]
        if min(array[:-1]) < SHORTEST:
            break
        done = 0
        for end, rows in zip(following, np.diff((0, *following)).tolist(), strict=True):
            needed = sum(ready_rows(pool.window, height, r, pool_height) < end for r in ends[:-1])
            done = max(done, sum(array[: needed + 1])) + ceil_div(pooling * rows, pool_height)
        if done < least:
            cuts_of = {time: ends, follower: following}
            best, least = Bands(time, follower, cuts_of, done - sum(array)), done
    return best


def _behind(
    network: Network,
    layers: Sequence[Layer],
    bands: Bands,
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> dict[int, Ends]:
    """The bands of the array's next layer, if it reads the pooling: one beside its last band."""
    after = range(max(bands.conv, bands.pool) + 1, len(layers))
    time = next((time for time in after if isinstance(layers[time], ConvLayer)), None)
    if time is None:
        return {}
    layer = layers[time]
    assert isinstance(layer, ConvLayer)
    complete = completions(network, layers)
    needed = set().union(
        *(complete[name] for role, name in layer.operands.items() if role is not Role.TARGET)
    )
    winograd = mapping.choice(layer.name).algorithm is ConvAlgorithm.WINOGRAD
    if needed != {bands.pool} or winograd:
        return {}
    height = layout.views[layer.output].height
    pooled = bands.ends[bands.pool]
    source = layout.views[layer.conv.input].height
    first = ready_rows(layer.window, source, pooled[-2], height)
    if not 0 < first < height:
        return {}
    whole, early, late = (
        conv_cycles(layer, rows, layout, config, mapping)
        for rows in (height, first, height - first)
    )
    if max(bands.tail, early) + late < bands.tail + whole:
        return {time: (first, height)}
    return {}


def pairs(
    network: Network, layers: Sequence[Layer]
) -> Iterator[tuple[int, ConvLayer, int, WindowLayer]]:
    """A convolution and the first pooling that reads its result, and no other's."""
    complete = completions(network, layers)
    taken: set[int] = set()
    for time, layer in enumerate(layers):
        if not isinstance(layer, WindowLayer):
            continue
        sources = complete[layer.operands[Role.SOURCE]]
        if len(sources) != 1:
            continue
        (source,) = sources
        conv = layers[source]
        if isinstance(conv, ConvLayer) and source not in taken:
            taken.add(source)
            yield source, conv, time, layer


def _tile_rows(
    layer: ConvLayer, layout: Layout, config: OverlayConfig, mapping: LayerMapping
) -> int:
    """Output rows that the array computes together: of Winograd's tiles, else one."""
    view, choice = layout.views[layer.output], mapping.choice(layer.name)
    source, pixels = layout.views[layer.conv.input], view.height * view.width
    form = cut(layer.conv, source, pixels, config, choice)[0].form
    return form.rows if form else 1
