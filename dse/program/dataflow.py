"""Tiles and cycles of one CONV under each dataflow, and the choice between them.

The array's cycles are those of ``dse.cost.overlay.closed``; the weight stream is the other bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dse.cost.overlay.closed import Grid, Tiles, array_cycles
from hw.config import OverlayConfig, ceil_div
from hw.isa import Dataflow

GAP = 2  # cycles behind a chunk that leaves out pixels
SEGMENT_LIMIT = (1 << 16) - 1  # of WEIGHTS.segments and WEIGHTS.repeats


@dataclass(frozen=True)
class Block:
    """Extents of one CONV: output pixels, output channels, activation words of a pixel.

    ``row``: pixels of a row that tiles must not cut (weight-stationary kn2row), else 1.
    ``waves``: words of all pixels that are not left out, if any are.
    """

    pixels: int
    channels: int
    chunks: int
    row: int = 1
    waves: int = 0


@dataclass(frozen=True)
class Tiling:
    """One CONV under one dataflow: its tiles, its weight stream, its cost."""

    dataflow: Dataflow
    channel_tile: int
    pixel_tile: int
    replay: bool
    segments: int  # channel tiles
    segment_words: int
    last_words: int
    repeats: int  # times that each segment is streamed
    beats_per_word: int
    cycles: int  # of the array

    @property
    def beats(self) -> int:
        """Bus beats of the weight stream."""
        words = (self.segments - 1) * self.segment_words + self.last_words
        return words * self.repeats * self.beats_per_word

    @property
    def cost(self) -> tuple[int, int]:
        """Cycles that array and weight stream take, whichever is longer; then the array's."""
        return max(self.cycles, self.beats), self.cycles


@lru_cache(maxsize=4096)
def best_tiling(block: Block, config: OverlayConfig, flow: Dataflow) -> Tiling | None:
    """The cheapest tiling under one dataflow; None if its weight stream has too many tiles, or a
    row of pixels does not fit the accumulators."""
    if flow is Dataflow.WS and block.row > config.accumulator_depth:
        return None
    tiles = _input_stationary_tiles(block, config) if flow is Dataflow.IS else [config.columns]
    found = [tile(block, config, flow, channels) for channels in tiles]
    possible = [tiling for tiling in found if tiling.repeats <= SEGMENT_LIMIT]
    return min(possible, key=lambda tiling: tiling.cost, default=None)


def tile(block: Block, config: OverlayConfig, flow: Dataflow, channel_tile: int) -> Tiling:
    """The tiles of a block with a given channel tile."""
    pixel_tile = {
        Dataflow.WS: block.row
        * balanced(block.pixels // block.row, max(1, config.accumulator_depth // block.row)),
        Dataflow.IS: config.columns,
        Dataflow.NS: config.rows,
    }[flow]
    segments = ceil_div(block.channels, channel_tile)
    repeats = ceil_div(block.pixels, pixel_tile)
    if flow is Dataflow.IS:
        last = block.channels - (segments - 1) * channel_tile
        words = min(channel_tile, block.channels) * block.chunks, last * block.chunks
        word_bytes = config.reduction
    else:
        words = config.rows * block.chunks, config.rows * block.chunks
        word_bytes = config.top_bytes
    replay = repeats > 1 and words[0] <= config.weight_words
    return Tiling(
        dataflow=flow,
        channel_tile=channel_tile,
        pixel_tile=pixel_tile,
        replay=replay,
        segments=segments,
        segment_words=words[0],
        last_words=words[1],
        repeats=1 if replay else repeats,
        beats_per_word=ceil_div(word_bytes, config.axi_bytes),
        cycles=_cycles(block, config, flow, channel_tile, pixel_tile),
    )


def balanced(total: int, limit: int, multiple: int = 1) -> int:
    """The tile of at most ``limit`` that cuts ``total`` into the fewest, most equal parts.

    A multiple of ``multiple`` where that costs no further part.
    """
    size = ceil_div(total, ceil_div(total, limit))
    rounded = ceil_div(size, multiple) * multiple
    return rounded if rounded <= limit else size


def _input_stationary_tiles(block: Block, config: OverlayConfig) -> list[int]:
    """The largest channel tile, and the largest whose weights can be replayed."""
    limits = [config.accumulator_depth, config.weight_words // block.chunks]
    tiles = [
        min(
            block.channels,
            balanced(block.channels, min(limit, config.accumulator_depth), config.columns),
        )
        for limit in limits
        if limit > 0
    ]
    return list(dict.fromkeys(tiles))


def _cycles(
    block: Block, config: OverlayConfig, flow: Dataflow, channel_tile: int, pixel_tile: int
) -> int:
    if flow is Dataflow.WS and block.waves:
        return _skipping_cycles(block, config, channel_tile, pixel_tile)
    tiles = Tiles(
        pixels=block.pixels,
        channels=block.channels,
        chunks=block.chunks,
        pixel_tile=pixel_tile,
        channel_tile=channel_tile,
    )
    return int(array_cycles(flow, tiles, Grid(config.rows, config.columns, config.lanes)))


def _skipping_cycles(
    block: Block, config: OverlayConfig, channel_tile: int, pixel_tile: int
) -> int:
    """Weight-stationary kn2row, which leaves out pixels."""
    total = 0
    for pixels, count in parts(block.pixels, pixel_tile):
        share = ceil_div(block.waves * pixels, block.pixels)
        least = block.chunks * config.tile_cycles
        total += count * max(share + block.chunks * GAP, least)
    return total * ceil_div(block.channels, channel_tile)


def parts(total: int, tile: int) -> list[tuple[int, int]]:
    """(size, count) of the parts: the whole ones and the rest."""
    whole, rest = divmod(total, tile)
    return [(size, count) for size, count in ((tile, whole), (rest, 1)) if size and count]
