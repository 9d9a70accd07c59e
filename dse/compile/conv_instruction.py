"""CONV and the WEIGHTS that goes with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dse.assembly.instruction import Action, make
from dse.assembly.region import Memory, Region
from dse.compile.dataflow import Tiling
from dse.compile.layers import ConvLayer
from dse.compile.packing import Piece
from dse.compile.strips import Rows
from dse.compile.window_fields import WindowWalk, channel_region
from dse.compile.winograd_tiles import tiled
from dse.network import constants
from dse.network.graph import Add, Conv, Network
from dse.tiling.layer_mapping import ConvAlgorithm
from hw import isa
from hw.isa import Dataflow, Opcode
from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.transforms import TAPS, Transform

_ALGORITHMS = {
    ConvAlgorithm.IM2COL: isa.Algorithm.IM2COL,
    ConvAlgorithm.KN2ROW: isa.Algorithm.KN2ROW,
}
_WINOGRAD = {transform: algorithm for algorithm, transform in isa.TRANSFORM_OF.items()}


@dataclass(frozen=True)
class ConvStrip:
    """Output rows ``[first, last)`` of a convolution layer, with the rows that they need."""

    layer: ConvLayer
    source: Rows
    residual: Rows | None
    target: Rows
    first: int
    last: int


def conv(
    network: Network,
    strip: ConvStrip,
    piece: Piece,
    parameters: int,
    config: OverlayConfig,
) -> tuple[Action, Tiling]:
    """The CONV of one piece on one strip, and its tiles."""
    walk = _walk(network, strip, piece)
    tiling = piece.tiling(walk.pixels, config)
    runs = piece.runs
    fields = {
        **walk.fields(),
        "parameters": parameters,
        "dataflow": int(tiling.dataflow),
        "algorithm": int(
            _WINOGRAD[piece.transform] if piece.transform else _ALGORITHMS[piece.algorithm]
        ),
        "replay": int(tiling.replay),
        "run_words": runs.run_words(config.reduction),
        "chunks": runs.chunks(config.reduction),
        "channels": piece.channels,
        "channel_tile": tiling.channel_tile,
        "pixel_tile": tiling.pixel_tile,
    }
    if piece.algorithm is ConvAlgorithm.KN2ROW and tiling.dataflow is Dataflow.WS:
        fields["out_rows"] = strip.last - strip.first
        fields["tile_rows"] = tiling.pixel_tile // fields["out_width"]
    if piece.transform is not None:
        fields |= _winograd(walk, piece, piece.transform, config)
    reads = (*walk.read(), Region(Memory.PARAMETER, parameters, piece.channels))
    if strip.layer.add is not None and strip.residual is not None:
        region = channel_region(
            strip.residual, strip.first, strip.last, piece.channel, piece.channels
        )
        reads = (*reads, region)
        fields |= _residual(network, strip.layer.conv, strip.layer.add)
        fields |= {
            "residual": 1,
            "residual_address": region.start,
            "residual_pitch": strip.residual.view.pitch,
            "residual_row_pitch": strip.residual.view.row_pitch if piece.transform else 0,
        }
    name = strip.layer.name
    writes = (walk.written(piece.channels),)
    return Action(make(Opcode.CONV, name, fields), name, reads, writes), tiling


def _winograd(
    walk: WindowWalk, piece: Piece, transform: Transform, config: OverlayConfig
) -> dict[str, int]:
    """The walk of tiles and rounds instead of that of pixels and taps."""
    view = walk.source.view
    shape = tiled(piece.runs, transform, walk.pixels, piece.channels, config)
    rows, columns = (ceil_div(extent, TAPS) for extent in piece.runs.window.kernel)
    return {
        "row_step": transform.m,
        "row_step_bytes": transform.m * view.row_pitch,
        "column_step": transform.m * view.pitch,
        "tap_rows": rows,
        "tap_row_step": TAPS,
        "tap_row_bytes": TAPS * view.row_pitch,
        "tap_columns": columns,
        "tap_column_step": TAPS * view.pitch,
        "out_width": shape.columns,
        "pixels": shape.tiles,
        "chunks": shape.chunks,
        "patches": shape.patches,
        "patch_column_step": view.pitch,
        "image_width": walk.target.view.width,
        "out_rows": walk.last - walk.first,
        "out_row_pitch": walk.target.view.row_pitch,
    }


def weights(layer: str, offset: int, tiling: Tiling) -> Action:
    """The WEIGHTS of a CONV."""
    fields = {
        "offset": offset,
        "beats_per_word": tiling.beats_per_word,
        "segments": tiling.segments,
        "segment_words": tiling.segment_words,
        "last_words": tiling.last_words,
        "repeats": tiling.repeats,
    }
    return Action(make(Opcode.WEIGHTS, layer, fields), layer)


def _walk(network: Network, strip: ConvStrip, piece: Piece) -> WindowWalk:
    """The piece's own view of the input: some groups of it, or all of it as one pixel."""
    view = piece.runs.view
    address = strip.source.address + view.start - strip.source.view.start
    source = replace(strip.source, view=view, address=address)
    if view.height != strip.source.view.height:
        source = replace(source, first=0, count=view.height)
    return WindowWalk(
        window=piece.runs.window,
        taps=(piece.runs.tap_rows, piece.runs.tap_columns),
        source=source,
        target=strip.target,
        first=strip.first,
        last=strip.last,
        zero_point=network.tensors[strip.layer.conv.input].zero_point,
        channel=piece.channel,
    )


def _residual(network: Network, own: Conv, add: Add) -> dict[str, int]:
    """Constants of the addition of the convolution's int8 result and the other operand."""
    a, b, shift = constants.add_constants(network, add)
    factors = {add.a: a, add.b: b}
    zero = {name: network.tensors[name].zero_point for name in (*factors, add.output)}
    (other,) = set(factors) - {own.output}
    return {
        "factor": factors[own.output],
        "residual_factor": factors[other],
        "residual_offset": -sum(zero[name] * factors[name] for name in factors),
        "residual_shift": shift,
        "residual_zero": zero[add.output],
        "residual_low": add.low,
        "residual_high": add.high,
    }
