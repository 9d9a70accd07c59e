"""Tiles and cycles of one CONV under each dataflow: the cheapest of the cost model's candidates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import lru_cache

from dse.cost.candidates import SEGMENT_LIMIT, ConvExtents, Tiling, tiling, tilings
from dse.tiling import grid
from dse.tiling.grid import Grid
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig

__all__ = ["SEGMENT_LIMIT", "ConvExtents", "Tiling", "balanced", "best_tiling", "parts", "tile"]


@lru_cache(maxsize=4096)
def best_tiling(block: ConvExtents, config: OverlayConfig, flow: Dataflow) -> Tiling | None:
    """The cheapest tiling under one dataflow; None if its weight stream has too many tiles, or a
    row of pixels does not fit the accumulators."""
    return cheapest(tilings(block, flow, Grid.of(config)))


def tile(block: ConvExtents, config: OverlayConfig, flow: Dataflow, channel_tile: int) -> Tiling:
    """The tiles of a block with a given channel tile."""
    return _whole(tiling(block, flow, Grid.of(config), channel_tile))


def cheapest(candidates: Iterable[Tiling]) -> Tiling | None:
    """The candidate of least cost, in integers; None if none is legal."""
    possible = [_whole(candidate) for candidate in candidates if candidate.legal]
    return min(possible, key=lambda tiling: tiling.cost, default=None)


def balanced(total: int, limit: int, multiple: int = 1) -> int:
    """``dse.tiling.grid.balanced`` of integers."""
    return int(grid.balanced(total, limit, multiple))


def parts(total: int, tile: int) -> list[tuple[int, int]]:
    """(size, count) of the parts: the whole ones and the rest, if there are any."""
    return [(int(size), int(count)) for size, count in grid.parts(total, tile)]


def _whole(found: Tiling) -> Tiling:
    """With integers for numpy's numbers."""
    counts = {f.name: int(getattr(found, f.name)) for f in fields(found) if f.name != "dataflow"}
    return Tiling(dataflow=found.dataflow, **counts)
