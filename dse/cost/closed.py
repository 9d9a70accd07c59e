"""Cycles of an im2col or kn2row convolution in closed form, for one array or for thousands at once.

Exact while the array alone sets the pace (see docs/cycles.md): the weights are there, no other
engine reads the tensor memory, and the writer keeps up.
"""

from __future__ import annotations

from dataclasses import dataclass

from dse.tiling.count import Count, ceil_div, either, greater, lesser
from dse.tiling.grid import Grid, last_part, parts
from dse.tiling.part_chunks import CHUNK_GAP, Taps, skipping_cycles
from hw.isa import Dataflow
from hw.isa.timing import (
    ACCEPTED,
    BLOCK_QUEUE_LATENCY,
    FED,
    READY_LATENCY,
    RETIRE_LATENCY,
    TAPS_LATER,
    THERE_LATENCY,
)


@dataclass(frozen=True, kw_only=True)
class TileNest:
    """The loop nest of one CONV; ``taps`` if it leaves out pixels (kn2row, WS)."""

    pixels: Count
    channels: Count
    chunks: Count
    pixel_tile: Count
    channel_tile: Count
    taps: Taps | None = None


def fill_cycles(flow: Dataflow, tiles: TileNest, grid: Grid) -> Count:
    """From the start of the CONV to its first wave."""
    pixels = lesser(tiles.pixels, tiles.pixel_tile)
    match flow:
        case Dataflow.WS:
            loaded = ACCEPTED + greater(THERE_LATENCY + grid.least - 1, grid.margin + READY_LATENCY)
            if tiles.taps is not None:
                return greater(loaded + grid.lanes - 1, FED + TAPS_LATER)
            return greater(loaded, FED)
        case Dataflow.IS:
            return FED + pixels - 1 + THERE_LATENCY + grid.least - 1
        case Dataflow.NS:
            return FED + grid.rows - 1 + THERE_LATENCY


def array_cycles(flow: Dataflow, tiles: TileNest, grid: Grid) -> Count:
    """From the first wave to the last, both included."""
    match flow:
        case Dataflow.WS:
            least, last = grid.least, last_part(tiles.pixels, tiles.pixel_tile)
            if tiles.taps is not None:
                rows = int(tiles.pixel_tile) // tiles.taps.row
                words = tiles.chunks / tiles.taps.count
                once = skipping_cycles(tiles.taps, rows, words, least)
                tail = greater(last + CHUNK_GAP, least) - last
                opens: Count = 0
            else:
                sizes = parts(tiles.pixels, tiles.pixel_tile)
                once = tiles.chunks * sum(count * greater(size, least) for size, count in sizes)
                tail = greater(last, least) - last
                opens = either(tail > 0, 0, 1)
            return _channel_tiles(tiles, once, grid, opens) - tail
        case Dataflow.NS:
            count = ceil_div(tiles.pixels, tiles.pixel_tile)
            return _channel_tiles(tiles, count * (tiles.chunks + 1) * grid.rows, grid)
        case Dataflow.IS:
            total: Count = 0
            for channels, channel_count in parts(tiles.channels, tiles.channel_tile):
                for pixels, count in parts(tiles.pixels, tiles.pixel_tile):
                    tile, _ = _stationary_inputs(channels, pixels, tiles.chunks, grid)
                    total = total + channel_count * count * tile
            channels = last_part(tiles.channels, tiles.channel_tile)
            pixels = last_part(tiles.pixels, tiles.pixel_tile)
            tile, last = _stationary_inputs(channels, pixels, tiles.chunks, grid)
            return total - tile + last


def drain_cycles(flow: Dataflow, tiles: TileNest, grid: Grid) -> Count:
    """From the last wave to the retirement."""
    if flow is Dataflow.IS:
        words = last_part(tiles.pixels, tiles.pixel_tile)
        return grid.results + 1 + BLOCK_QUEUE_LATENCY + words - 1 + RETIRE_LATENCY
    return grid.results + grid.columns + BLOCK_QUEUE_LATENCY + RETIRE_LATENCY


def _channel_tiles(tiles: TileNest, cycles: Count, grid: Grid, opens: Count = 0) -> Count:
    """All channel tiles of so many cycles, each of which waits for its parameters: it is looked
    whether they are there for the ``opens`` cycles behind the tile before."""
    count = ceil_div(tiles.channels, tiles.channel_tile)
    return (count - 1) * greater(cycles + opens, grid.parameter_period) + cycles


def _stationary_inputs(
    channels: Count, pixels: Count, chunks: Count, grid: Grid
) -> tuple[Count, Count]:
    """IS: cycles from a tile's first wave to the next tile's, and to its own last wave.

    Loader and streamer each keep a pace of their own, and meet at every swap: the longest of the
    serialisers' way through the tile, the streamer's, and one that changes over for the last chunk.
    In front of each group of columns stands the cycle in which it is looked at, or the first one's
    all-zero wave.
    """
    serial = grid.rows * ceil_div(pixels, grid.rows)
    stream = channels + ceil_div(channels, grid.columns)
    wait = _group_wait(channels, pixels, grid)
    last = stream + wait + grid.lanes - 2
    swap, last_swap = greater(stream, grid.least), greater(stream + wait, grid.least)
    mixed = either(chunks > 1, (chunks - 2) * serial + grid.least + last_swap, 0)
    tile = greater(chunks * serial, (chunks - 1) * swap + last_swap)
    return greater(tile, mixed), (chunks - 1) * greater(serial, swap) + last


def _group_wait(channels: Count, pixels: Count, grid: Grid) -> Count:
    """IS: a tile's last group, if short, waits until the one before has left the corner turn."""
    short = last_part(channels, grid.columns)
    return either(channels > grid.columns, greater(0, pixels - short), 0)
