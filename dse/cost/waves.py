"""Cycles of the array from below, without its tiles: which labels are worth a closer look."""

from __future__ import annotations

from dse.cost.candidates import ConvExtents, Tiled
from dse.tiling.count import Count, ceil_div, greater
from dse.tiling.grid import Grid
from hw.isa import Dataflow


def least_waves(shape: ConvExtents | Tiled, flow: Dataflow, grid: Grid) -> Count:
    """Cycles with waves of one CONV, at least.

    An element of a patch takes as many cycles as the array needs between two swaps, but for the
    last; memories and buses only add to that.
    """
    channel_tiles = ceil_div(shape.channels, grid.columns)
    if isinstance(shape, ConvExtents) and shape.taps is not None:
        inside = shape.taps.rows.all_inside * shape.taps.columns.all_inside
        return shape.chunks / shape.taps.count * inside * channel_tiles
    pixels = shape.tiles if isinstance(shape, Tiled) else shape.pixels
    match flow:
        case Dataflow.WS:
            stream = shape.chunks * greater(pixels, grid.least)
            return stream * channel_tiles - 2 * grid.least
        case Dataflow.IS:
            stream = shape.chunks * greater(shape.channels, grid.least)
            return stream * ceil_div(pixels, grid.columns) - grid.least
        case Dataflow.NS:
            stream = shape.chunks * grid.rows * ceil_div(pixels, grid.rows)
            return stream * channel_tiles
