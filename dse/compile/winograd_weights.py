"""Weights of Winograd convolutions: sub-kernels, their transforms, and the words the array reads.

A kernel is cut into rounds of 3 x 3 sub-kernels at offsets (3a, 3b), zero-padded, a outside; a
round convolves the image shifted by its offset, and all rounds add up in the same elements.

Words: for each channel tile, round, word of Cin (L reduction lanes) and element, what `weights`
lays out for a chunk.  An operand takes two bytes, little-endian, sign-extended.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hw.isa.config import ceil_div
from hw.isa.transforms import TAPS, Transform

Operands = npt.NDArray[np.int16]


def round_offsets(kernel: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """(y, x) offset of each round's sub-kernel."""
    rows, columns = (ceil_div(extent, TAPS) for extent in kernel)
    return tuple((TAPS * a, TAPS * b) for a in range(rows) for b in range(columns))


def transformed_weights(weight: npt.NDArray[np.int8], transform: Transform) -> Operands:
    """U of every round: [Cout, Ky, Kx, Cin] -> [rounds, elements, Cin, Cout]."""
    cout, ky, kx, cin = weight.shape
    offsets = round_offsets((ky, kx))
    padded = np.zeros((cout, offsets[-1][0] + TAPS, offsets[-1][1] + TAPS, cin), np.int64)
    padded[:, :ky, :kx] = weight
    kernels = np.stack([padded[:, y : y + TAPS, x : x + TAPS] for y, x in offsets])
    matrix = np.array(transform.weight_matrix)
    operands = np.einsum("iy,royxc,jx->rijco", matrix, kernels, matrix, optimize=True)
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
