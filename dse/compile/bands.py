"""Bands: a convolution and the pooling that reads it run side by side, some rows apart.

Array and pooling engine are concurrent, but a pooling needs its rows.  Cut into bands of rows, the
pooling follows the convolution band by band, so that only its last band is left when the array is
done.  Every band streams the weights anew, so there are only as many as pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dse.compile.layers import ConvLayer, Layer, PoolLayer
from dse.compile.lifetime import completions
from dse.compile.packing import cut
from dse.compile.strips import cuts
from dse.compile.views import Layout
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig, ceil_div
from hw.pool.cycles import pool_cost

BANDS = (2, 4, 8)


@dataclass(frozen=True)
class Bands:
    """A pair of layers by their numbers, and the output rows of a band of each."""

    conv: int
    pool: int
    conv_rows: int
    pool_rows: int


def find_bands(
    network: Network,
    layers: Sequence[Layer],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> tuple[Bands, ...]:
    """All pairs of a convolution and a pooling that gain by it."""
    found = (
        _best(time, conv, follower, pool, layout, config, mapping)
        for time, conv, follower, pool in pairs(network, layers)
    )
    return tuple(bands for bands in found if bands is not None)


def pool_rows(window: Window, rows: int) -> int:
    """Output rows of a pooling's band, whose n-th needs no more than n bands of ``rows`` rows."""
    stride, top = window.stride[0], window.padding[0]
    reach = (window.kernel[0] - 1) * window.dilation[0] + 1
    return min(rows + stride + top - reach, rows) // stride


def _best(
    time: int,
    conv: ConvLayer,
    follower: int,
    pool: PoolLayer,
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> Bands | None:
    height, pool_height = (layout.views[layer.output].height for layer in (conv, pool))
    pooling = _pool_cycles(pool, layout, config)
    best, least = None, _conv_cycles(conv, height, layout, config, mapping) + pooling
    for count in BANDS:
        rows = ceil_div(height, count)
        following = pool_rows(pool.window, rows)
        if following < 1:
            continue
        array = [
            _conv_cycles(conv, last - first, layout, config, mapping)
            for _, first, last in cuts(height, rows)
        ]
        rest = pool_height - (len(array) - 1) * following  # rows that need the last band
        behind = sum(array) + ceil_div(pooling * rest, pool_height)
        latency = max(behind, array[0] + pooling)
        if latency < least:
            best, least = Bands(time, follower, rows, following), latency
    return best


def pairs(
    network: Network, layers: Sequence[Layer]
) -> Iterator[tuple[int, ConvLayer, int, PoolLayer]]:
    """A convolution and the first pooling that reads its result, and no other's."""
    complete = completions(network, layers)
    taken: set[int] = set()
    for time, layer in enumerate(layers):
        if not isinstance(layer, PoolLayer) or len(complete[layer.pool.input]) != 1:
            continue
        (source,) = complete[layer.pool.input]
        conv = layers[source]
        if isinstance(conv, ConvLayer) and source not in taken:
            taken.add(source)
            yield source, conv, time, layer


def _conv_cycles(
    layer: ConvLayer, rows: int, layout: Layout, config: OverlayConfig, mapping: LayerMapping
) -> int:
    pixels = rows * layout.views[layer.output].width
    source = layout.views[layer.conv.input]
    pieces = cut(layer.conv, source, pixels, config, mapping.choice(layer.name))
    tilings = [(piece.transform, piece.tiling(pixels, config)) for piece in pieces]
    # A CONV after a Winograd one waits for its drain, others follow without a gap.
    return sum(int(tiling.cost[0] if by else tiling.longest) for by, tiling in tilings)


def _pool_cycles(layer: PoolLayer, layout: Layout, config: OverlayConfig) -> int:
    target, window = layout.views[layer.output], layer.window
    normalise = layer.pool.normalisation is not None
    blocks = config.normalised_blocks(target.channels) if normalise else 1
    fields = {
        "tap_rows": window.kernel[0],
        "tap_columns": window.kernel[1],
        "tap_column_step": window.dilation[1],
        "column_step": window.stride[1],
        "out_width": target.width,
        "pixels": target.height * target.width,
        "channels": ceil_div(target.channels, blocks),
        "normalise": int(normalise),
    }
    return blocks * pool_cost(config, fields).cycles
