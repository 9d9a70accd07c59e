"""Winograd convolutions in numpy, over the weights that the compiler lays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.compile.winograd_weights import round_offsets, transformed_weights
from hw.isa.config import ceil_div
from hw.isa.transforms import Transform

Sums = npt.NDArray[np.int64]


def input_tiles(
    image: npt.NDArray[np.int8],
    transform: Transform,
    output: tuple[int, int],
    origin: tuple[int, int],
    fill: int,
) -> Sums:
    """V: [tile rows, tile columns, elements, Cin] of an image [H, W, Cin].

    ``origin``: (y, x) in the image of the first patch's first word; beyond the image is ``fill``.
    """
    axes = transform.y, transform.x
    tiles = tuple(ceil_div(extent, axis.m) for extent, axis in zip(output, axes, strict=True))
    rows, columns = (
        axis.m * np.arange(count)[:, None] + np.arange(axis.alpha) + start
        for axis, count, start in zip(axes, tiles, origin, strict=True)
    )
    padded = np.pad(image.astype(np.int64), ((1, 1), (1, 1), (0, 0)), constant_values=fill)
    y, x = (
        np.clip(index, -1, extent) + 1
        for index, extent in zip((rows, columns), image.shape[:2], strict=True)
    )
    patches = padded[y[:, None, :, None], x[None, :, None, :]]
    along_y, along_x = (np.array(axis.input_matrix) for axis in axes)
    values = np.einsum("iy,abyxc,jx->abijc", along_y, patches, along_x, optimize=True)
    return values.reshape(*tiles, transform.elements, image.shape[2])


def output_tiles(elements: Sums, transform: Transform) -> Sums:
    """[tile rows, tile columns, elements, Cout] -> [rows, columns, Cout], exactly divided."""
    y, x = transform.y, transform.x
    rows, columns, _, cout = elements.shape
    shaped = elements.reshape(rows, columns, y.alpha, x.alpha, cout)
    along_y, along_x = (np.array(axis.output_matrix) for axis in (y, x))
    scaled = np.einsum("ki,abijo,lj->akblo", along_y, shaped, along_x, optimize=True)
    results, remainder = np.divmod(scaled, transform.total_scale)
    assert not remainder.any(), "the scale divides every result"
    return results.reshape(y.m * rows, x.m * columns, cout)


def winograd_conv(
    image: npt.NDArray[np.int8],
    weight: npt.NDArray[np.int8],
    transform: Transform,
    *,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    fill: int = 0,
) -> Sums:
    """Exact sums of a convolution of stride 1: [H, W, Cin] and [Cout, Ky, Kx, Cin] -> [., ., Cout].

    ``padding``: top, left, bottom, right, of words ``fill``.
    """
    height, width, _ = image.shape
    top, left, bottom, right = padding
    kernel = (weight.shape[1], weight.shape[2])
    output = (height + top + bottom - kernel[0] + 1, width + left + right - kernel[1] + 1)
    operands = transformed_weights(weight, transform).astype(np.int64)
    values = np.stack(
        [
            input_tiles(image, transform, output, (y - top, x - left), fill)
            for y, x in round_offsets(kernel, transform)
        ]
    )
    elements = np.einsum("rabec,reco->abeo", values, operands, optimize=True)
    return output_tiles(elements, transform)[: output[0], : output[1]]
