"""Weights of Winograd convolutions: sub-kernels, their transforms, and the words the array reads.

A kernel is cut into rounds of as many taps as the transform has, zero-padded, rows of rounds
outside; a round convolves the image shifted by its offset, and all add up in the same elements.

Words: for each channel tile, round, word of Cin (L reduction lanes) and element, what `weights`
lays out for a chunk.  An operand takes two bytes, little-endian, sign-extended.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from hw.isa.config import ceil_div
from hw.isa.transforms import Transform

Operands = npt.NDArray[np.int16]


def round_offsets(kernel: tuple[int, int], transform: Transform) -> tuple[tuple[int, int], ...]:
    """(y, x) offset of each round's sub-kernel."""
    y, x = (
        range(0, extent, axis.taps)
        for extent, axis in zip(kernel, (transform.y, transform.x), strict=True)
    )
    return tuple(product(y, x))


def transformed_weights(weight: npt.NDArray[np.int8], transform: Transform) -> Operands:
    """U of every round: [Cout, Ky, Kx, Cin] -> [rounds, elements, Cin, Cout].

    ``y`` and ``x`` are the transform's axes.
    """
    cout, ky, kx, cin = weight.shape
    y_taps, x_taps = transform.y.taps, transform.x.taps
    offsets = round_offsets((ky, kx), transform)
    last_y, last_x = offsets[-1]
    padded = np.zeros((cout, last_y + y_taps, last_x + x_taps, cin), np.int64)
    padded[:, :ky, :kx] = weight
    kernels = np.stack([padded[:, y : y + y_taps, x : x + x_taps] for y, x in offsets])
    along_y, along_x = (np.array(axis.weight_matrix) for axis in (transform.y, transform.x))
    operands = np.einsum("iy,royxc,jx->rijco", along_y, kernels, along_x, optimize=True)
    return operands.reshape(len(offsets), transform.elements, cin, cout).astype(np.int16)


def top_words(operands: Operands, *, rows: int, columns: int, lanes: int) -> Operands:
    """WS: R words of lanes x C operands each, [words, lanes * C], the last row's first.

    Operand ``c * lanes + l`` of row r's word is the weight of reduction lane ``r * lanes + l`` for
    the tile's channel c.  Zeros beyond Cin and Cout.
    """
    channels = ceil_div(operands.shape[3], columns) * columns
    shaped = _by_word(operands, rows * lanes, channels)
    shaped = shaped.reshape(*shaped.shape[:3], rows, lanes, channels // columns, columns)
    ordered = shaped[:, :, :, ::-1].transpose(5, 0, 1, 2, 3, 6, 4)
    return np.ascontiguousarray(ordered).reshape(-1, columns * lanes)


def left_words(operands: Operands, *, reduction: int, channel_tile: int) -> Operands:
    """IS: a word of L operands for each channel of the tile, [words, L]; the last may be shorter.

    Operand j is the weight of reduction lane j.  Zeros beyond Cin.
    """
    channels = operands.shape[3]
    shaped = _by_word(operands, reduction, channels).transpose(0, 1, 2, 4, 3)
    tiles = [
        shaped[:, :, :, first : first + channel_tile].reshape(-1, reduction)
        for first in range(0, channels, channel_tile)
    ]
    return np.concatenate(tiles)


def _by_word(operands: Operands, reduction: int, channels: int) -> Operands:
    """[round, word of Cin, element, reduction lane, channel], padded with zeros."""
    count, elements, cin, cout = operands.shape
    words = ceil_div(cin, reduction)
    padded = np.zeros((count, elements, words * reduction, channels), np.int16)
    padded[:, :, :cin, :cout] = operands
    return padded.reshape(count, elements, words, reduction, channels).transpose(0, 2, 1, 3, 4)
