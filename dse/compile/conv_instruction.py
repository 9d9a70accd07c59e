"""CONV and the WEIGHTS that goes with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dse.assembly.instruction import Action, make
from dse.assembly.region import Memory, Region
from dse.compile.dataflow import Tiling
from dse.compile.layers import ConvLayer
from dse.compile.packing import Piece
from dse.compile.strips import Rows
from dse.compile.views import View
from dse.compile.window_fields import WindowWalk, channel_region
from dse.compile.winograd_tiles import tiled
from dse.network import constants
from dse.network.graph import Add, Conv, Network
from dse.tiling.layer_mapping import ConvAlgorithm
from dse.tiling.tile_form import TileForm
from hw import isa
from hw.isa import Dataflow, Opcode
from hw.isa.config import OverlayConfig

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
            _WINOGRAD[piece.form.transform] if piece.form else _ALGORITHMS[piece.algorithm]
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
        }
    if piece.form is not None:
        residual = strip.residual.view if strip.layer.add and strip.residual else None
        fields |= _winograd(walk, piece, piece.form, residual, config)
    name = strip.layer.name
    writes = (walk.written(piece.channels),)
    return Action(make(Opcode.CONV, name, fields), name, reads, writes), tiling


@dataclass(frozen=True)
class _Along:
    """A walk along one axis of the image.

    ``first``: of the first tap, as a number of what lies in memory, of which there are ``size``.
    ``step``: bytes to the next row or column. ``out``, ``out_step``, ``residual_step``: results,
    and bytes between two of them, and of the residual's.
    """

    first: int
    size: int
    step: int
    stride: int
    dilation: int
    out: int
    out_step: int
    residual_step: int


def _winograd(
    walk: WindowWalk, piece: Piece, form: TileForm, residual: View | None, config: OverlayConfig
) -> dict[str, int]:
    """The walk of tiles and rounds instead of that of pixels and taps, along the tiles' axes."""
    view, target, window = walk.source.view, walk.target.view, walk.window
    rows = _Along(
        walk.top,
        walk.source.count,
        view.row_pitch,
        window.stride[0],
        window.dilation[0],
        walk.last - walk.first,
        target.row_pitch,
        residual.row_pitch if residual else 0,
    )
    columns = _Along(
        -window.padding[1],
        view.width,
        view.pitch,
        window.stride[1],
        window.dilation[1],
        target.width,
        target.pitch,
        residual.pitch if residual else 0,
    )
    along_y, along_x = form.own((rows, columns))
    y, x = form.transform.y, form.transform.x
    tap_rows, tap_columns = form.rounds(piece.runs.form)
    shape = tiled(piece.runs, form, walk.pixels, piece.channels, config)
    return {
        "address": walk.source.address + along_y.first * along_y.step,
        "row_pitch": along_x.size * along_x.step,
        "height": along_y.size,
        "row0": along_y.first,
        "position0": view.channel + along_x.first * along_x.step,
        "row_step": y.m,
        "row_step_bytes": y.m * along_y.step,
        "column_step": x.m * along_x.stride * along_x.step if shape.columns > 1 else 0,
        "tap_rows": tap_rows,
        "tap_row_step": y.taps,
        "tap_row_bytes": y.taps * along_y.step,
        "tap_columns": tap_columns,
        "tap_column_step": x.taps * along_x.dilation * along_x.step if tap_columns > 1 else 0,
        "out_width": shape.columns,
        "pixels": shape.tiles,
        "chunks": shape.chunks,
        "patches": shape.patches,
        "patch_row_step": along_y.step,
        "patch_column_step": along_x.step if x.alpha > 1 else 0,
        "image_width": along_x.out,
        "out_rows": along_y.out,
        "out_pitch": along_x.out_step,
        "out_row_pitch": along_y.out_step,
        "residual_pitch": along_x.residual_step,
        "residual_row_pitch": along_y.residual_step,
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
