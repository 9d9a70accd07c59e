"""Cycles of a convolution in closed form, for one array or for thousands at once.

Exact while the array alone sets the pace (see docs/cycles.md): the weights are there, no other
engine reads the tensor memory, and the writer keeps up. Every argument but ``flow`` may be an
integer or an integer array; numpy's broadcasting applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.array.element import ELEMENT_LATENCY
from hw.array.foot import FOOT_LATENCY
from hw.array.parameters import PARAMETER_LATENCY
from hw.engines.weight_buffer import READ_LATENCY as POP_LATENCY
from hw.isa import Dataflow
from hw.memory import READ_LATENCY
from hw.window import WALK_LATENCY
from hw.writer import WRITER_LATENCY

Count = Any
"""An integer, or an integer array."""

LEAST_TILE = 4  # cycles, whatever the rows: see ``OverlayConfig.tile_cycles``
ACCEPT = 2  # from an engine's start to its parts at work: the queue, then the parts themselves
FED = ACCEPT + 1 + WALK_LATENCY + READ_LATENCY + 2  # to the first word that can be popped
QUEUE_LATENCY = 2  # of the output FIFO
RETIRE_LATENCY = WRITER_LATENCY + 1  # from the last word taken to the retirement


@dataclass(frozen=True)
class Grid:
    """The array, or many."""

    rows: Count
    columns: Count
    lanes: int

    @property
    def least(self) -> Count:
        """Cycles between two swaps."""
        return np.maximum(self.rows, LEAST_TILE)

    @property
    def travel(self) -> Count:
        """From a wave at the array's input to its sums at the first foot."""
        return self.rows + ELEMENT_LATENCY + 1

    @property
    def margin(self) -> Count:
        """From the start of a parameter burst to the wave that may use it."""
        return np.maximum(1, self.columns + PARAMETER_LATENCY + 1 - self.travel)

    @property
    def parameter_period(self) -> Count:
        """Least cycles between the first waves of two channel tiles (WS, NS)."""
        return self.travel + self.margin + 2

    @property
    def results(self) -> Count:
        """From a wave to its result in column 0."""
        return POP_LATENCY + self.travel + FOOT_LATENCY


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """The loop nest of one CONV."""

    pixels: Count
    channels: Count
    chunks: Count
    pixel_tile: Count
    channel_tile: Count


def ceil_div(a: Count, b: Count) -> Count:
    """a / b, rounded up."""
    return -(-a // b)


def fill_cycles(flow: Dataflow, tiles: Tiles, grid: Grid) -> Count:
    """From the start of the CONV to its first wave."""
    pixels = np.minimum(tiles.pixels, tiles.pixel_tile)
    match flow:
        case Dataflow.WS:
            loaded = np.maximum(ACCEPT + grid.least - 1, ACCEPT + 1 + grid.margin)
            return np.maximum(loaded, FED)
        case Dataflow.IS:
            return FED + pixels - 1 + grid.least - 1
        case Dataflow.NS:
            return FED + grid.rows - 1


def array_cycles(flow: Dataflow, tiles: Tiles, grid: Grid) -> Count:
    """From the first wave to the last, both included."""
    match flow:
        case Dataflow.WS:
            least = grid.least
            parts = _parts(tiles.pixels, tiles.pixel_tile)
            once = sum(count * np.maximum(pixels, least) for pixels, count in parts)
            last = _last(tiles.pixels, tiles.pixel_tile)
            tail = np.maximum(last, least) - last
            return _channel_tiles(tiles, tiles.chunks * once, grid) - tail
        case Dataflow.NS:
            count = ceil_div(tiles.pixels, tiles.pixel_tile)
            return _channel_tiles(tiles, count * (tiles.chunks + 1) * grid.rows, grid)
        case Dataflow.IS:
            total: Count = 0
            for channels, channel_count in _parts(tiles.channels, tiles.channel_tile):
                for pixels, count in _parts(tiles.pixels, tiles.pixel_tile):
                    tile, _ = _stationary_inputs(channels, pixels, tiles.chunks, grid)
                    total = total + channel_count * count * tile
            channels = _last(tiles.channels, tiles.channel_tile)
            pixels = _last(tiles.pixels, tiles.pixel_tile)
            tile, last = _stationary_inputs(channels, pixels, tiles.chunks, grid)
            return total - tile + last


def drain_cycles(flow: Dataflow, tiles: Tiles, grid: Grid) -> Count:
    """From the last wave to the retirement."""
    if flow is Dataflow.IS:
        words = _last(tiles.pixels, tiles.pixel_tile)
        return grid.results + 1 + QUEUE_LATENCY + words - 1 + RETIRE_LATENCY
    return grid.results + grid.columns + QUEUE_LATENCY + RETIRE_LATENCY


def conv_cycles(flow: Dataflow, tiles: Tiles, grid: Grid) -> Count:
    """From the start of the CONV to its retirement."""
    parts = (fill_cycles, array_cycles, drain_cycles)
    return sum(part(flow, tiles, grid) for part in parts) - 1


def _channel_tiles(tiles: Tiles, cycles: Count, grid: Grid) -> Count:
    """All channel tiles of so many cycles, each of which waits for its parameters."""
    count = ceil_div(tiles.channels, tiles.channel_tile)
    return (count - 1) * np.maximum(cycles, grid.parameter_period) + cycles


def _stationary_inputs(
    channels: Count, pixels: Count, chunks: Count, grid: Grid
) -> tuple[Count, Count]:
    """IS: cycles from a tile's first wave to the next tile's, and to its own last wave.

    Loader and streamer each keep a pace of their own, and meet at every swap: the longest of the
    serialisers' way through the tile, the streamer's, and one that changes over for the last chunk.
    """
    serial = grid.rows * ceil_div(pixels, grid.rows)
    stream = channels + grid.lanes - 1
    last = stream + _group_wait(channels, pixels, grid)
    swap, last_swap = np.maximum(stream, grid.least), np.maximum(last, grid.least)
    mixed = np.where(chunks > 1, (chunks - 2) * serial + grid.least + last_swap, 0)
    tile = np.maximum(chunks * serial, (chunks - 1) * swap + last_swap)
    return np.maximum(tile, mixed), (chunks - 1) * np.maximum(serial, swap) + last


def _group_wait(channels: Count, pixels: Count, grid: Grid) -> Count:
    """IS: a tile's last group, if short, waits until the one before has left the corner turn."""
    short = channels % grid.columns
    waits = (channels > grid.columns) & (short > 0)
    return np.where(waits, np.maximum(0, pixels - short), 0)


def _parts(total: Count, tile: Count) -> list[tuple[Count, Count]]:
    """(size, how many): the whole parts and the rest; sizes of no parts are any."""
    rest = total % tile
    return [(tile, total // tile), (np.maximum(rest, 1), np.minimum(rest, 1))]


def _last(total: Count, tile: Count) -> Count:
    """Size of the last part."""
    return total - (ceil_div(total, tile) - 1) * tile
