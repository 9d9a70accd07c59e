"""How one CONV is cut into tiles: the candidates, of which compiler and model take the cheapest.

Everything may be whole numbers (the compiler's, one array) or arrays of them (the model's).
"""

from __future__ import annotations

from dataclasses import dataclass

from dse.cost import closed
from dse.cost import winograd_closed as winograd
from dse.cost.closed import TileNest
from dse.cost.winograd_closed import WinogradTiles
from dse.tiling.count import Count, ceil_div, distinct, either, floor_div, greater, lesser
from dse.tiling.grid import Grid, balanced, last_part
from dse.tiling.part_chunks import Taps
from hw.isa import Dataflow
from hw.isa.transforms import Transform

CONV_CYCLES = 8  # fetching and dispatching one more CONV, WEIGHTS and LOAD of a layer
CHUNK_LIMIT = (1 << 16) - 1  # of CONV.chunks
SEGMENT_LIMIT = (1 << 16) - 1  # of WEIGHTS.segments and WEIGHTS.repeats


@dataclass(frozen=True)
class ConvExtents:
    """Extents of one CONV: output pixels, output channels, activation words of a pixel.

    ``taps``: those of weight-stationary kn2row, whose tiles are whole rows of pixels.
    """

    pixels: int
    channels: int
    chunks: Count
    taps: Taps | None = None


@dataclass(frozen=True)
class Tiled:
    """Extents of a Winograd CONV: tiles of the image by rows and columns, patches, channels."""

    transform: Transform
    rows: int
    columns: int
    patches: Count
    channels: int

    @property
    def tiles(self) -> int:
        """All tiles."""
        return self.rows * self.columns

    @property
    def chunks(self) -> Count:
        """Pairs of a patch and an element."""
        return self.patches * self.transform.elements


@dataclass(frozen=True)
class Tiling:
    """One CONV under one dataflow: its tiles, its weight stream, its cycles."""

    dataflow: Dataflow
    channel_tile: Count
    pixel_tile: Count
    replay: Count
    segments: Count  # channel tiles
    segment_words: Count
    last_words: Count
    repeats: Count  # times that each segment is streamed
    beats_per_word: Count
    fill: Count  # cycles until the first wave
    cycles: Count  # of the array
    drain: Count  # from then on to the retirement
    legal: Count = True

    @property
    def beats(self) -> Count:
        """Bus beats of the weight stream."""
        words = (self.segments - 1) * self.segment_words + self.last_words
        return words * self.repeats * self.beats_per_word

    @property
    def longest(self) -> Count:
        """Cycles that array and weight stream take, whichever is longer."""
        return greater(self.cycles, self.beats)

    @property
    def cost(self) -> tuple[Count, Count]:
        """What the compiler minimises: all cycles of the CONV alone, then the array's."""
        return self.fill + self.longest + self.drain, self.cycles


def tilings(block: ConvExtents, flow: Dataflow, grid: Grid) -> list[Tiling]:
    """The candidates of im2col and kn2row.

    IS: the largest channel tile, and the largest whose weights can be replayed.
    """
    if flow is not Dataflow.IS:
        return [tiling(block, flow, grid, grid.columns)]
    depth = grid.template.accumulator_depth
    kept = lesser(greater(floor_div(grid.weight_words, block.chunks), 1), depth)
    tiles = [balanced(block.channels, limit, grid.columns) for limit in (depth, kept)]
    tiles = distinct(lesser(tile, block.channels) for tile in tiles)
    return [tiling(block, flow, grid, tile) for tile in tiles]


def tiling(block: ConvExtents, flow: Dataflow, grid: Grid, channel_tile: Count) -> Tiling:
    """The tiles of a block with a given channel tile."""
    row = block.taps.row if block.taps else 1
    depth = grid.template.accumulator_depth
    pixel_tile: Count
    match flow:
        case Dataflow.WS:
            pixel_tile = row * balanced(block.pixels // row, max(1, depth // row))
        case Dataflow.IS:
            pixel_tile = grid.columns
        case Dataflow.NS:
            pixel_tile = grid.rows
    tiles = TileNest(
        pixels=block.pixels,
        channels=block.channels,
        chunks=block.chunks,
        pixel_tile=pixel_tile,
        channel_tile=channel_tile,
        taps=block.taps,
    )
    segments = ceil_div(block.channels, channel_tile)
    repeats = ceil_div(block.pixels, pixel_tile)
    if flow is Dataflow.IS:
        words = lesser(channel_tile, block.channels) * block.chunks
        last = last_part(block.channels, channel_tile) * block.chunks
    else:
        words = last = grid.rows * block.chunks
    replay = (repeats > 1) & (words <= grid.weight_words)
    repeats = either(replay, 1, repeats)
    return Tiling(
        dataflow=flow,
        channel_tile=channel_tile,
        pixel_tile=pixel_tile,
        replay=replay,
        segments=segments,
        segment_words=words,
        last_words=last,
        repeats=repeats,
        beats_per_word=_beats(flow, grid, 1),
        fill=closed.fill_cycles(flow, tiles, grid),
        cycles=closed.array_cycles(flow, tiles, grid),
        drain=closed.drain_cycles(flow, tiles, grid),
        legal=(greater(repeats, segments) <= SEGMENT_LIMIT)
        & (block.chunks <= CHUNK_LIMIT)
        & (row <= depth),
    )


def winograd_tilings(shape: Tiled, flow: Dataflow, grid: Grid) -> list[Tiling]:
    """The candidates of Winograd.

    Pixel tiles as large as the memories allow with the least room in the scratch memory, and with
    a block more, that is filled meanwhile; and smaller ones, before which less is to be filled:
    up to four parts of the largest, or of all tiles where memory holds more, so that a deeper
    memory seldom leaves a tile out that a shallower one has.
    """
    depth, elements = grid.template.accumulator_depth, shape.transform.elements
    if depth < elements or flow is Dataflow.NS:
        return []
    channel_tile = grid.columns
    if flow is Dataflow.IS:
        channels = balanced(shape.channels, depth // elements, grid.columns)
        channel_tile = lesser(shape.channels, channels)
    several = ceil_div(shape.channels, channel_tile) > 1
    blocks = either(several, shape.patches, 1)
    scratch = grid.template.scratch_words
    limit = grid.columns if flow is Dataflow.IS else depth // elements
    rooms = [floor_div(scratch, (blocks + more) * elements) for more in (0, 1)]
    most = lesser(lesser(limit, rooms[1]), shape.tiles)
    limits = [lesser(limit, rooms[0]), *(ceil_div(most, n) for n in (1, 2, 3, 4))]
    multiple = grid.rows if flow is Dataflow.IS else 1
    tiles = distinct(balanced(shape.tiles, greater(1, limit), multiple) for limit in limits)
    return [
        _winograd_tiling(shape, flow, grid, channel_tile, units, rooms[0] >= 1) for units in tiles
    ]


def _winograd_tiling(
    shape: Tiled, flow: Dataflow, grid: Grid, channel_tile: Count, units: Count, fits: Count
) -> Tiling:
    by_channel = flow is Dataflow.IS
    tiles = WinogradTiles(
        transform=shape.transform,
        tiles=shape.tiles,
        channels=shape.channels,
        patches=shape.patches,
        pixel_tile=units,
        channel_tile=channel_tile,
    )
    repeats = ceil_div(shape.tiles, units)
    channels = shape.channels if by_channel else tiles.channel_tiles * grid.rows
    words = shape.chunks * channels
    replay = (repeats > 1) & (words <= grid.weight_words)
    repeats = either(replay, 1, repeats)
    return Tiling(
        dataflow=flow,
        channel_tile=channel_tile,
        pixel_tile=units,
        replay=replay,
        segments=1,
        segment_words=words,
        last_words=words,
        repeats=repeats,
        beats_per_word=_beats(flow, grid, grid.template.weight_bytes),
        fill=winograd.fill_cycles(flow, tiles, grid),
        cycles=winograd.array_cycles(flow, tiles, grid),
        drain=winograd.drain_cycles(flow, tiles, grid),
        legal=fits & (repeats <= SEGMENT_LIMIT),
    )


def _beats(flow: Dataflow, grid: Grid, operand_bytes: int) -> Count:
    """Of a weight word: C or R operands a lane."""
    operands = grid.lanes * (grid.rows if flow is Dataflow.IS else grid.columns)
    return ceil_div(operands * operand_bytes, grid.template.weight_beat_bytes)
