"""The functional model of a Winograd CONV: transforms and products of all its tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dse.assembly.instruction import Instruction
from hw.isa import TRANSFORM_OF, Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.transforms import Transform
from sim.functional_taps import Bytes, FunctionalError, Int64s, TapPlaces, wrap


def winograd_sums(
    instruction: Instruction, tensor: Bytes, weights: Bytes, config: OverlayConfig
) -> Int64s:
    """The sums of a CONV without bias, [pixels of the image, channels]."""
    f = instruction.field
    transform = TRANSFORM_OF[f("algorithm")]
    if transform not in config.transforms:
        raise FunctionalError(f"the overlay has no {transform.name}")
    v = _transformed(instruction, tensor, transform, config)
    products = np.empty((f("pixels"), transform.elements, f("channels")), np.int64)
    for channels, pixels, matrix in _tiles(instruction, transform, weights, config):
        found = np.einsum("tpel,pelc->tec", v[pixels], matrix)
        products[pixels, :, channels] = found[..., : channels.stop - channels.start]
    return _image(instruction, transform, products, config)


def _transformed(
    instruction: Instruction, tensor: Bytes, transform: Transform, config: OverlayConfig
) -> Int64s:
    """V: [tiles, patches, elements, L]."""
    f = instruction.field
    taps = TapPlaces.of(instruction)
    y, x = np.arange(transform.y.alpha)[:, None], np.arange(transform.x.alpha)
    patches = TapPlaces(
        *np.broadcast_arrays(
            taps.row[..., None, None] + y,
            taps.start[..., None, None] + y * f("patch_row_step"),
            taps.position[..., None, None] + x * f("patch_column_step"),
        )
    )
    values, _ = patches.spread(f("run_words") * config.reduction).read(instruction, tensor)
    along_y, along_x = (np.array(axis.input_matrix) for axis in (transform.y, transform.x))
    v = wrap(np.einsum("iy,jx,tabyxn->tabijn", along_y, along_x, values), config.operand_bits)
    shape = (f("pixels"), f("tap_rows") * f("tap_columns"), transform.elements, f("run_words"), -1)
    return (
        v.reshape(shape)
        .transpose(0, 1, 3, 2, 4)
        .reshape(f("pixels"), f("patches"), transform.elements, config.reduction)
    )


def _tiles(
    instruction: Instruction, transform: Transform, weights: Bytes, config: OverlayConfig
) -> Iterator[tuple[slice, slice, Int64s]]:
    """Channel and pixel tiles in order with their U, [patches, elements, L, channels]."""
    f = instruction.field
    position = 0
    by_channel = f("dataflow") == Dataflow.IS
    for index, first in enumerate(range(0, f("pixels"), f("pixel_tile"))):
        if f("replay") and index:
            position = 0
        for channel in range(0, f("channels"), f("channel_tile")):
            channels = slice(channel, min(channel + f("channel_tile"), f("channels")))
            rows = channels.stop - channels.start if by_channel else config.rows
            count = f("chunks") * rows
            words = weights[position : position + count]
            if len(words) < count:
                raise FunctionalError("a CONV runs out of weights")
            position += count
            wide = np.ascontiguousarray(words).view("<i2").astype(np.int64)
            wide = wrap(wide, config.operand_bits)
            shaped = wide.reshape(f("patches"), transform.elements, rows, -1)
            pixels = slice(first, min(first + f("pixel_tile"), f("pixels")))
            yield channels, pixels, _matrix(shaped, by_channel, config)
    if position != len(weights):
        raise FunctionalError("a CONV leaves weights behind")
    if f("replay") and position > config.weight_words:
        raise FunctionalError("a CONV replays more words than the weight buffer holds")


def _matrix(words: Int64s, by_channel: bool, config: OverlayConfig) -> Int64s:
    if by_channel:
        return words[..., : config.reduction].swapaxes(2, 3)
    top = words[:, :, ::-1, : config.top_bytes]
    shaped = top.reshape(*top.shape[:3], config.columns, config.lanes).swapaxes(3, 4)
    return shaped.reshape(*top.shape[:2], config.reduction, config.columns)


def _image(
    instruction: Instruction, transform: Transform, products: Int64s, config: OverlayConfig
) -> Int64s:
    """A^T M A, exactly divided, without what lies outside the image."""
    f = instruction.field
    y, x = transform.y, transform.x
    shaped = products.reshape(-1, f("out_width"), y.alpha, x.alpha, products.shape[-1])
    along_y, along_x = (np.array(axis.output_matrix) for axis in (y, x))
    total = np.einsum("ki,lj,YXijc->YkXlc", along_y, along_x, shaped)
    if (total % transform.total_scale).any():
        raise FunctionalError("an output transform leaves a remainder")
    result = wrap(total // transform.total_scale, config.result_bits)
    rows, columns = shaped.shape[0] * y.m, shaped.shape[1] * x.m
    image = result.reshape(rows, columns, -1)[: f("out_rows"), : f("image_width")]
    return image.reshape(-1, products.shape[-1])
