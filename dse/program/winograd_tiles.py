"""Winograd: which layers and overlays, and the tiles of one CONV."""

from __future__ import annotations

from dataclasses import dataclass

from dse.network.graph import Conv
from dse.program.dataflow import SEGMENT_LIMIT, Tiling, balanced, parts
from dse.program.errors import ProgramError
from dse.program.mapping import Algorithm, Choice
from dse.program.runs import Runs
from dse.program.views import View
from dse.program.winograd import OPERAND_BYTES, round_offsets
from hw.config import OverlayConfig, ceil_div
from hw.isa import Dataflow
from hw.winograd.matrices import Transform


@dataclass(frozen=True)
class Tiled:
    """One CONV as the array sees it: tiles of the image, patches of a tile, output channels."""

    transform: Transform
    rows: int  # of tiles
    columns: int
    patches: int
    channels: int

    @property
    def tiles(self) -> int:
        """All tiles."""
        return self.rows * self.columns

    @property
    def chunks(self) -> int:
        """Pairs of a patch and an element."""
        return self.patches * self.transform.elements


def tiled(
    runs: Runs, transform: Transform, pixels: int, channels: int, config: OverlayConfig
) -> Tiled:
    """The tiles of whole rows of output pixels."""
    width = runs.window.output(runs.view.height, runs.view.width)[1]
    return Tiled(
        transform=transform,
        rows=ceil_div(pixels // width, transform.m),
        columns=ceil_div(width, transform.m),
        patches=len(round_offsets(runs.window.kernel)) * runs.run_words(config.reduction),
        channels=channels,
    )


def legal_transforms(
    conv: Conv, choice: Choice, config: OverlayConfig
) -> tuple[Transform | None, ...]:
    """The transforms that a layer may take; (None,) for another algorithm than Winograd."""
    if choice.algorithm is not Algorithm.WINOGRAD:
        return (None,)
    what = f"layer {conv.name!r}: winograd"
    if choice.dataflow is Dataflow.NS:
        raise ProgramError(f"{what} needs the dataflow WS or IS, not NS")
    if conv.window.stride != (1, 1) or conv.window.dilation != (1, 1):
        raise ProgramError(
            f"{what} needs stride 1 and dilation 1, not {conv.window.stride} and "
            f"{conv.window.dilation}: choose im2col or kn2row"
        )
    found = [t for t in config.transforms if choice.tile in (None, t.m)]
    if not found:
        tile = f"tiles of {choice.tile}" if choice.tile else "a transform"
        raise ProgramError(
            f"{what} needs an overlay with {tile}, this one has winograd {config.winograd!r}"
        )
    return tuple(found)


def too_small(
    conv: Conv, view: View, transforms: tuple[Transform | None, ...], config: OverlayConfig
) -> str:
    """Why no transform fits the overlay's memories."""
    least = min(t.elements for t in transforms if t is not None)
    return (
        f"layer {conv.name!r}: winograd needs an accumulator and, for every patch of a tile, a "
        f"word of scratch memory for each of {least} elements; the overlay has "
        f"{config.accumulator_depth} and {config.scratch_words}: raise accumulator_depth or "
        "scratch_words, or choose another algorithm"
    )


def winograd_tiling(shape: Tiled, config: OverlayConfig, flow: Dataflow) -> Tiling | None:
    """The tiles under one dataflow; None if the memories are too small for a single one."""
    elements = shape.transform.elements
    accumulators = config.accumulator_depth // elements
    if accumulators < 1:
        return None
    by_channel = flow is Dataflow.IS
    channel_tile = config.columns
    if by_channel:
        channel_tile = min(shape.channels, accumulators)
        if channel_tile < shape.channels:
            channel_tile = balanced(shape.channels, accumulators, config.columns)
    segments = ceil_div(shape.channels, channel_tile)
    kept = shape.chunks if segments > 1 else elements
    limit = min(config.columns if by_channel else accumulators, config.scratch_words // kept)
    if limit < 1 or flow is Dataflow.NS:
        return None
    units = limit if by_channel else balanced(shape.tiles, limit)
    repeats = ceil_div(shape.tiles, units)
    words = shape.chunks * (shape.channels if by_channel else segments * config.rows)
    word_bytes = config.reduction if by_channel else config.top_bytes
    replay = repeats > 1 and words <= config.weight_words
    if not replay and repeats > SEGMENT_LIMIT:
        return None
    return Tiling(
        dataflow=flow,
        channel_tile=channel_tile,
        pixel_tile=units,
        replay=replay,
        segments=1,
        segment_words=words,
        last_words=words,
        repeats=1 if replay else repeats,
        beats_per_word=ceil_div(OPERAND_BYTES * word_bytes, config.axi_bytes),
        cycles=_cycles(shape, config, units, channel_tile, by_channel),
    )


def _cycles(
    shape: Tiled, config: OverlayConfig, pixel_tile: int, channel_tile: int, by_channel: bool
) -> int:
    """Waves or drain, whichever is longer, and the first transformed block."""
    elements = shape.transform.elements
    head = config.lanes - 1
    total = elements * pixel_tile
    for tiles, pixel_count in parts(shape.tiles, pixel_tile):
        for channels, count in parts(shape.channels, channel_tile):
            units = channels if by_channel else tiles
            waves = max(units + head, tiles if by_channel else 0, config.tile_cycles)
            total += pixel_count * count * max(shape.chunks * waves, elements * units)
    return total
