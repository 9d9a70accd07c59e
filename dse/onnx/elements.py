"""Which elements of a tensor an ONNX value shows: the arithmetic of views.

A value that is no tensor as it stands is an array of positions, of the value's own shape: element
by element the position in the tensor's HWC order.  Slice, Transpose, Reshape and their like are
numpy's own operations on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.network.tensor import Shape

Positions = npt.NDArray[np.int32]


def plain(tensor: Shape, shape: tuple[int, ...]) -> Positions:
    """The positions of all of a tensor, seen in NCHW order with a shape."""
    height, width, channels = tensor
    positions = np.arange(height * width * channels, dtype=np.int32)
    return positions.reshape(tensor).transpose(2, 0, 1).reshape(shape)


@dataclass(frozen=True)
class PixelGrid:
    """Pixels at even steps, of some channels: those that share ``top`` and ``left``.

    ``places``: which channels of the result they are; ``channels``: which of the tensor.
    """

    top: int
    left: int
    steps: tuple[int, int]
    places: tuple[int, ...]
    channels: tuple[int, ...]


def channel_order(image: Positions, tensor: Shape) -> tuple[int, ...] | None:
    """The tensor's channel of each channel of an image [C, H, W] of all its pixels, in order."""
    height, width, channels = tensor
    if image.shape[1] * image.shape[2] != height * width:
        return None
    first = image[:, 0, 0]
    pixels = np.arange(height * width, dtype=np.int32) * channels
    whole = first[:, None] + pixels
    if first.max() >= channels or not np.array_equal(image.reshape(len(image), -1), whole):
        return None
    return tuple(int(channel) for channel in first)


def grids(image: Positions, tensor: Shape) -> tuple[PixelGrid, ...] | None:
    """An image [C, H, W] as pixels at even steps, the same for all channels; None if it is not."""
    _, width, channels = tensor
    first = image[:, 0, 0]
    down = int(image[0, 1, 0] - first[0]) if image.shape[1] > 1 else width * channels
    right = int(image[0, 0, 1] - first[0]) if image.shape[2] > 1 else channels
    y, x = (np.arange(n, dtype=np.int32) for n in image.shape[1:])
    even = first[:, None, None] + down * y[:, None] + right * x
    uneven = down % (width * channels) or right % channels
    if uneven or min(down, right) < 1 or not np.array_equal(image, even):
        return None
    steps = down // (width * channels), right // channels
    pixels, own = np.divmod(first, channels)
    if (pixels % width + steps[1] * (image.shape[2] - 1)).max() >= width:
        return None
    return tuple(
        PixelGrid(
            int(pixel) // width,
            int(pixel) % width,
            steps,
            tuple(int(place) for place in np.flatnonzero(pixels == pixel)),
            tuple(int(channel) for channel in own[pixels == pixel]),
        )
        for pixel in np.unique(pixels)
    )


def runs(numbers: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(first, count) of each stretch of numbers that follow each other."""
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    for stretch in np.split(np.array(numbers), breaks):
        yield int(stretch[0]), len(stretch)
