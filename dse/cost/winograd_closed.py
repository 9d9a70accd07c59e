"""Cycles of a Winograd convolution in closed form, for one array or for thousands at once.

Three stages, each a tile ahead of the next: the input transform fills blocks of the scratch memory,
the array streams them, the drain transforms a finished bank of accumulators.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dse.tiling.count import Count, ceil, ceil_div, either, floor_div, greater, lesser
from dse.tiling.grid import Grid, last_part, parts
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    BLOCK_QUEUE_LATENCY,
    COUNT_LATENCY,
    DRAIN_START,
    DRAINED_LATENCY,
    FED,
    FEED_LATENCY,
    FITS_LATENCY,
    INPUT_LATENCY,
    PARAMETER_START,
    PATCH_LATENCY,
    RETIRE_LATENCY,
    THERE_LATENCY,
    output_latency,
)
from hw.isa.transforms import Transform

BLOCK_LATENCY = PATCH_LATENCY + COUNT_LATENCY


@dataclass(frozen=True, kw_only=True)
class WinogradTiles:
    """The loop nest of one CONV: tiles of the image, patches of a tile, output channels."""

    transform: Transform
    tiles: Count
    channels: Count
    patches: Count
    pixel_tile: Count
    channel_tile: Count

    @property
    def channel_tiles(self) -> Count:
        return ceil_div(self.channels, self.channel_tile)


def fill_cycles(flow: Dataflow, shape: WinogradTiles, grid: Grid) -> Count:
    """From the start of the CONV to its first sums: a whole block is transformed."""
    words = shape.transform.elements * lesser(shape.tiles, shape.pixel_tile)
    block = FED + FITS_LATENCY + words + _block_latency(shape)
    return block + THERE_LATENCY + grid.least + grid.lanes if flow is Dataflow.IS else block


def array_cycles(flow: Dataflow, shape: WinogradTiles, grid: Grid) -> Count:
    """From the first sums to the last element of a tile that is drained.

    A tile's waves come before its drain, and both keep the order of tiles: a flow shop of two
    machines.  Its longest path changes over at the first tile, the last or the one before.
    """
    waves: Count = 0
    drains: Count = 0
    for tiles, tile_count in parts(shape.tiles, shape.pixel_tile):
        for channels, channel_count in _channel_parts(flow, shape):
            count = tile_count * channel_count
            waves = waves + count * _waves(flow, shape, tiles, channels, grid)
            drains = drains + count * _drain(flow, shape, tiles, channels, grid)
    tiles = last_part(shape.tiles, shape.pixel_tile)
    channels = last_part(shape.channels, shape.channel_tile)
    several = shape.channel_tiles > 1
    before = (
        either(several, tiles, lesser(shape.tiles, shape.pixel_tile)),
        either(several, shape.channel_tile, channels),
    )
    units = channels if flow is Dataflow.IS else tiles
    last = _drain(flow, shape, tiles, channels, grid)
    drain = shape.transform.elements * units + _drain_start(flow, grid)  # nothing follows it
    late = _drain(flow, shape, *before, grid) - _waves(flow, shape, tiles, channels, grid)
    first = _waves(flow, shape, *before, grid)
    path = greater(waves + greater(0, late), first + drains - last) + drain
    # Nothing follows the last chunk; the first one's all-zero wave comes before its sums.
    looks = ceil_div(channels, grid.columns) - 1 if flow is Dataflow.IS else 0
    idle = _chunk(flow, tiles, channels, grid) - units - looks + _opens(flow, tiles, grid)
    saved = (grid.lanes - 1) * (idle - 1) if flow is Dataflow.WS else 0
    return path - idle - saved + _scratch_waits(flow, shape, grid)


def drain_cycles(flow: Dataflow, shape: WinogradTiles, grid: Grid) -> Count:
    """From the last drained element to the retirement."""
    result = _result_latency(shape, grid)
    if flow is not Dataflow.IS:
        return result + grid.columns + BLOCK_QUEUE_LATENCY + RETIRE_LATENCY
    words = shape.transform.pixels * last_part(shape.tiles, shape.pixel_tile)
    channels = last_part(shape.channels, shape.channel_tile)
    group = shape.transform.elements * last_part(channels, grid.columns)
    late = either(channels > grid.columns, greater(0, words - group), 0)
    return result + late + words + BLOCK_QUEUE_LATENCY + RETIRE_LATENCY


def _channel_parts(flow: Dataflow, shape: WinogradTiles) -> list[tuple[Count, Count]]:
    """(size, how many) of the channel tiles; in WS all take as long."""
    if flow is Dataflow.IS:
        return parts(shape.channels, shape.channel_tile)
    return [(shape.channel_tile, shape.channel_tiles)]


def _waves(
    flow: Dataflow, shape: WinogradTiles, tiles: Count, channels: Count, grid: Grid
) -> Count:
    """Cycles of the waves of one tile of accumulators."""
    waves = shape.patches * shape.transform.elements * _chunk(flow, tiles, channels, grid)
    return waves + _opens(flow, tiles, grid)


def _opens(flow: Dataflow, tiles: Count, grid: Grid) -> Count:
    """Cycles behind a tile of accumulators in which it is looked whether the next bank is free."""
    hidden = flow is Dataflow.IS or grid.lanes == 2
    return 0 if hidden else either(tiles < grid.least, 0, 1)


def _drain(
    flow: Dataflow, shape: WinogradTiles, tiles: Count, channels: Count, grid: Grid
) -> Count:
    """Cycles of the drain of one tile of accumulators, another one behind it.

    WS: the next channels' parameters take their place when the first unit has left.  IS: a group
    of C channels begins when the last but one has left the output turn.
    """
    elements = shape.transform.elements
    if flow is not Dataflow.IS:
        parameters = elements + _longest(grid.template) + grid.parameter_period
        return greater(elements * tiles + _drain_start(flow, grid), parameters)
    rest = last_part(channels, grid.columns)
    turned = _result_latency(shape, grid) + shape.transform.pixels * tiles + THERE_LATENCY
    whole, last = elements * grid.columns, elements * rest
    paced = (channels - rest) / grid.columns * greater(whole, (whole + turned) / 2)
    short = either(channels > grid.columns, turned, (last + turned) / 2)
    return ceil(paced + greater(last + DRAIN_START, short))


@lru_cache
def _longest(template: OverlayConfig) -> int:
    """Of the output transforms' latencies."""
    return max(output_latency(t, template.transforms) for t in template.transforms)


def _drain_start(flow: Dataflow, grid: Grid) -> Count:
    """From a tile's last wave, or from the drain before, to its first element."""
    if flow is Dataflow.IS:
        return DRAIN_START
    return greater(DRAIN_START, grid.margin + PARAMETER_START)


def _chunk(flow: Dataflow, tiles: Count, channels: Count, grid: Grid) -> Count:
    """Cycles of an element of a patch; two lanes: an all-zero wave heads it.  IS: it is looked at
    each group of columns."""
    if flow is Dataflow.IS:
        serial = grid.rows * ceil_div(tiles, grid.rows)
        stream = channels + ceil_div(channels, grid.columns)
        return greater(greater(stream, grid.least), serial)
    return greater(tiles + grid.lanes - 1, grid.least)


def _block_latency(shape: WinogradTiles) -> int:
    """From a block's last word read to the block's being there."""
    return INPUT_LATENCY + shape.transform.elements - 1 + BLOCK_LATENCY


def _result_latency(shape: WinogradTiles, grid: Grid) -> Count:
    """From a unit's last element to its last result, of column 0."""
    transform = shape.transform
    pixels = transform.x.alpha * (transform.y.m - 1) + transform.x.m - 1
    transformed = output_latency(transform, grid.template.transforms) + pixels + 1
    return grid.travel + transformed + DRAINED_LATENCY + grid.crossing


def _scratch_waits(flow: Dataflow, shape: WinogradTiles, grid: Grid) -> Count:
    """Cycles in which the array waits for blocks that had no room earlier; an estimate.

    A block is read as soon as the last channel tile has left room for all of it, while the array
    streams the blocks in between.
    """
    transform, scratch = shape.transform, grid.template.scratch_words
    channels = lesser(shape.channels, shape.channel_tile)
    several = shape.channel_tiles > 1
    total: Count = 0
    for tiles, count in parts(shape.tiles, shape.pixel_tile):
        block = transform.elements * tiles
        room = greater(1, floor_div(scratch, block))  # blocks
        stream = transform.elements * _chunk(flow, tiles, channels, grid)
        begun = lesser(greater(room + 1 - scratch / block, 0), 1) * stream  # of the oldest block
        fill = block + FEED_LATENCY + 1 + _block_latency(shape)
        wait = greater(0, begun + fill - room * stream)
        rounds = either(several, count, count * shape.patches / room)
        total = total + wait * greater(rounds - 1, 0)
    return total
