"""Bands: a convolution and the poolings that read it run side by side, some rows apart.

Array and pooling engine are concurrent, but a pooling needs its rows.  Cut into bands of rows, the
pooling follows the convolution band by band, so that only its last band is left when the array is
done; and the next convolution, if it reads the pooling, starts with the rows that are there.  Every
band streams the weights anew, so there are only as many as pay.  A pooling that reads a pooling,
such as a normalisation, follows that one in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

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
    """A convolution and its poolings by their numbers; the bands of these and of a layer behind.

    ``pools``: each reads the one before it.  ``tail``: cycles from the convolution's end to the
    last one's.
    """

    conv: int
    pools: tuple[int, ...]
    ends: Mapping[int, Ends]
    tail: int


def find_bands(
    network: Network,
    layers: Sequence[Layer],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
    poolings: int | None = None,
) -> tuple[Bands, ...]:
    """All convolutions with poolings behind them that gain by it; at most so many behind each."""
    found = [
        bands
        for time, pools in chains(network, layers)
        if (bands := _best(network, layers, time, pools[:poolings], layout, config, mapping))
    ]
    taken = {time for bands in found for time in bands.ends}
    for index, bands in enumerate(found):
        behind = _behind(network, layers, bands, layout, config, mapping)
        if behind and not taken & behind.keys():
            found[index] = replace(bands, ends={**bands.ends, **behind})
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
    layers: Sequence[Layer],
    time: int,
    pools: tuple[int, ...],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> Bands | None:
    conv = layers[time]
    assert isinstance(conv, ConvLayer)
    height = layout.views[conv.output].height
    following = [_follower(network, layers[pool], layout, config) for pool in pools]
    best = None
    least = conv_cycles(conv, height, layout, config, mapping)
    least += sum(pool.cycles for pool in following)
    multiple = _tile_rows(conv, layout, config, mapping)
    for count in BANDS:
        rows = multiple * ceil_div(ceil_div(height, count), multiple)
        ends = tuple(end for _, _, end in cuts(height, rows))
        banded = list(_banded(following, height, ends))
        if not banded:
            continue
        array = [
            conv_cycles(conv, end - first, layout, config, mapping)
            for first, end in pairwise((0, *ends))
        ]
        if min(array[:-1]) < SHORTEST:
            break
        done = 0
        for ready, work in zip(
            accumulate(array), _work(following, height, ends, banded), strict=True
        ):
            done = max(done, ready) + work if work else done
        done += sum(pool.cycles for pool in following[len(banded) :])
        if done < least:
            taken = pools[: len(banded)]
            cuts_of = {time: ends, **dict(zip(taken, banded, strict=True))}
            best, least = Bands(time, taken, cuts_of, done - sum(array)), done
    return best


@dataclass(frozen=True)
class _Follower:
    """A pooling: its window, output rows and cycles."""

    window: Window
    height: int
    cycles: int

    def ends(self, height: int, rows: Ends) -> Ends:
        """Its bands behind those of its input."""
        return pool_ends(self.window, height, rows, self.height)

    def awaited(self, height: int, rows: Ends, end: int) -> int:
        """The band of its input, which ends at ``rows``, that a band up to ``end`` waits for."""
        return sum(ready_rows(self.window, height, r, self.height) < end for r in rows[:-1])


def _follower(network: Network, layer: Layer, layout: Layout, config: OverlayConfig) -> _Follower:
    assert isinstance(layer, WindowLayer)
    height = layout.views[layer.output].height
    return _Follower(layer.window, height, beside_cycles(network, layer, config))


def _banded(following: Sequence[_Follower], height: int, ends: Ends) -> Iterator[Ends]:
    """The bands of each, as far as they have several."""
    for pool in following:
        ends = pool.ends(height, ends)
        if len(ends) < 2:
            return
        yield ends
        height = pool.height


def _work(
    following: Sequence[_Follower], height: int, ends: Ends, banded: Sequence[Ends]
) -> list[int]:
    """Cycles of the poolings that become possible with each of the convolution's bands.

    A band of one pooling stands behind the band of the other that it waits for.
    """
    work = [0] * len(ends)
    arrivals = list(range(len(ends)))  # of the input's bands: with which of the convolution's
    for pool, own in zip(following, banded, strict=False):
        arrivals = [arrivals[pool.awaited(height, ends, end)] for end in own]
        for arrival, rows in zip(arrivals, np.diff((0, *own)).tolist(), strict=True):
            work[arrival] += ceil_div(pool.cycles * rows, pool.height)
        height, ends = pool.height, own
    return work


def _behind(
    network: Network,
    layers: Sequence[Layer],
    bands: Bands,
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> dict[int, Ends]:
    """The bands of the array's next layer, if it reads the pooling: one beside its last band."""
    last = bands.pools[-1]
    after = range(max(bands.conv, *bands.pools) + 1, len(layers))
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
    if needed != {last} or winograd:
        return {}
    height = layout.views[layer.output].height
    pooled = bands.ends[last]
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


def chains(network: Network, layers: Sequence[Layer]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """A convolution, the first pooling that reads its result and no other's, and so on."""
    complete = completions(network, layers)
    first: dict[int, int] = {}
    for time, layer in enumerate(layers):
        if isinstance(layer, WindowLayer):
            sources = complete[layer.operands[Role.SOURCE]]
            if len(sources) == 1:
                (source,) = sources
                first.setdefault(source, time)
    for time, layer in enumerate(layers):
        if isinstance(layer, ConvLayer) and time in first:
            pools = [first[time]]
            while pools[-1] in first:
                pools.append(first[pools[-1]])
            yield time, tuple(pools)


def _tile_rows(
    layer: ConvLayer, layout: Layout, config: OverlayConfig, mapping: LayerMapping
) -> int:
    """Output rows that the array computes together: of Winograd's tiles, else one."""
    view, choice = layout.views[layer.output], mapping.choice(layer.name)
    source, pixels = layout.views[layer.conv.input], view.height * view.width
    form = cut(layer.conv, source, pixels, config, choice)[0].form
    return form.rows if form else 1
