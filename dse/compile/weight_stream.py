"""The weight stream: weights in the exact order in which the array consumes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.compile.dataflow import Tiling
from dse.compile.packing import Piece
from dse.compile.runs import pack_weights
from dse.compile.winograd_weights import left_words, top_words, transformed_weights
from dse.network.graph import Conv
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig, ceil_div


def piece_chunks(conv: Conv, piece: Piece, config: OverlayConfig) -> npt.NDArray[np.int8]:
    """The piece's weights as the array sees them: [channels, chunks, L], zeros beyond runs."""
    runs = piece.runs
    own = _own_weights(conv, piece)
    shaped = own.reshape(piece.channels, runs.tap_rows * runs.tap_columns, runs.run_bytes)
    words = runs.run_words(config.reduction)
    padded = np.zeros((*shaped.shape[:2], words * config.reduction), np.int8)
    padded[:, :, : runs.run_bytes] = shaped
    return padded.reshape(piece.channels, -1, config.reduction)


def _own_weights(conv: Conv, piece: Piece) -> npt.NDArray[np.int8]:
    """[channels, Ky, Kx, Cin] of the piece's dense block."""
    block = pack_weights(conv, piece.first_group, piece.groups)
    first = piece.channel - piece.block_channel
    return block[first : first + piece.channels]


def piece_stream(
    conv: Conv, piece: Piece, tiling: Tiling, config: OverlayConfig
) -> npt.NDArray[np.uint8]:
    """The bytes that WEIGHTS reads for a piece."""
    if piece.form is None:
        return weight_stream(piece_chunks(conv, piece, config), tiling, config)
    runs = piece.runs
    own = _own_weights(conv, piece)
    shaped = own.reshape(piece.channels, runs.tap_rows, runs.tap_columns, runs.run_bytes)
    if piece.form.transposed:
        shaped = shaped.swapaxes(1, 2)
    operands = transformed_weights(shaped, piece.form.transform)
    if tiling.dataflow is Dataflow.IS:
        words = left_words(operands, reduction=config.reduction, channel_tile=tiling.channel_tile)
    else:
        words = top_words(operands, rows=config.rows, columns=config.columns, lanes=config.lanes)
    return _beats(words.astype("<i2").view(np.uint8), config)


def weight_stream(
    chunks: npt.NDArray[np.int8], tiling: Tiling, config: OverlayConfig
) -> npt.NDArray[np.uint8]:
    """The bytes that WEIGHTS reads, each word padded to whole beats."""
    if tiling.dataflow is Dataflow.IS:
        words = _left_words(chunks, tiling.channel_tile)
    else:
        words = _top_words(chunks, config)
    return _beats(words.view(np.uint8), config)


def stripes(stream: bytes, config: OverlayConfig) -> tuple[bytes, ...]:
    """The stream as each weight port reads it: its part of every beat."""
    beats = np.frombuffer(stream, np.uint8).reshape(-1, config.weight_ports, config.axi_bytes)
    return tuple(beats[:, port].tobytes() for port in range(config.weight_ports))


def _beats(words: npt.NDArray[np.uint8], config: OverlayConfig) -> npt.NDArray[np.uint8]:
    beat = config.weight_beat_bytes
    stream = np.zeros((words.shape[0], ceil_div(words.shape[1], beat) * beat), np.uint8)
    stream[:, : words.shape[1]] = words
    return stream.reshape(-1)


def _left_words(chunks: npt.NDArray[np.int8], tile: int) -> npt.NDArray[np.int8]:
    """IS: for each channel tile and chunk, one word of L bytes a channel."""
    channels, _, reduction = chunks.shape
    segments = [
        chunks[first : first + tile].transpose(1, 0, 2).reshape(-1, reduction)
        for first in range(0, channels, tile)
    ]
    return np.concatenate(segments)


def _top_words(chunks: npt.NDArray[np.int8], config: OverlayConfig) -> npt.NDArray[np.int8]:
    """WS, NS: for each channel tile and chunk, R words of lanes x C bytes, the last row first."""
    channels, count, _ = chunks.shape
    tiles = ceil_div(channels, config.columns)
    padded = np.zeros((tiles * config.columns, count, config.reduction), np.int8)
    padded[:channels] = chunks
    shaped = padded.reshape(tiles, config.columns, count, config.rows, config.lanes)
    ordered = shaped[:, :, :, ::-1].transpose(0, 2, 3, 1, 4)
    return ordered.reshape(-1, config.top_bytes)
