"""Streams of a layer pipeline as bytes: images, weights, parameters, and results back."""

from __future__ import annotations

import numpy as np

from dse.pipeline.stage_numbers import Ints, StageNumbers
from hw.stages.map_link import MapLink
from hw.stages.result_beat import header_layout, parameter_layout
from hw.stages.shape import StageShape
from hw.stages.stage_parameters import parameter_bits


def beat_bytes(bits: int) -> int:
    """Bytes of a beat in a file."""
    return -(-bits // 8)


def map_beats(values: Ints, link: MapLink, bits: int) -> bytes:
    """A map [size, size, channels] as it travels."""
    parts = []
    for first in range(0, link.channels, link.tile):
        tile = values[:, :, first : first + link.tile].reshape(link.size**2, -1)
        room = -tile.shape[1] % link.width
        parts.append(np.pad(tile, ((0, 0), (0, room))).reshape(-1, link.width))
    return _packed(np.concatenate(parts), bits)


def map_values(data: bytes, link: MapLink, bits: int) -> Ints:
    """The map that travelled."""
    dtype = np.dtype(f"<i{bits // 8}")
    beats = np.frombuffer(data, dtype).astype(np.int64).reshape(-1, link.width)
    result = np.empty((link.size, link.size, link.channels), np.int64)
    at = 0
    for first in range(0, link.channels, link.tile):
        channels = min(link.tile, link.channels - first)
        count = link.size**2 * -(-channels // link.width)
        tile = beats[at : at + count].reshape(link.size, link.size, -1)
        result[:, :, first : first + channels] = tile[:, :, :channels]
        at += count
    return result


def weight_beats(shape: StageShape, numbers: StageNumbers) -> bytes:
    """Weights in the order of waves: tiles, taps, steps over input channels."""
    outs = shape.tiles * shape.para_out - shape.n_out
    ins = shape.in_steps * shape.para_in - shape.n_in
    padded = np.pad(numbers.weights, ((0, outs), (0, 0), (0, 0), (0, ins)))
    parted = padded.reshape(
        shape.tiles, shape.para_out, shape.taps, shape.in_steps, shape.para_in
    ).transpose(0, 2, 3, 1, 4)
    rows = parted.reshape(-1, shape.para_out * shape.para_in)
    return _packed(rows.reshape(-1, shape.weight_beat), shape.bits)


def weight_times(shape: StageShape) -> int:
    """Times that the weights are read for an image; 0: only once."""
    return 0 if shape.weights_stay else shape.steps


def parameter_beats(shape: StageShape, numbers: StageNumbers) -> bytes:
    """The header, and a record for each channel of all tiles.

    The hardware multiplies values as they are; that they mean zero at ``zero_in`` is in the bias.
    """
    bias = numbers.bias - numbers.zero_in * numbers.weights.reshape(shape.n_out, -1).sum(1)
    size = beat_bytes(parameter_bits(shape))
    layout = parameter_layout(accumulator_bits=shape.accumulator_bits, scaled=shape.scaled)
    header = {
        "padding": numbers.zero_in,
        "zero_point": numbers.zero_out,
        "low": numbers.low,
        "high": numbers.high,
    }
    records = [header_layout(shape.bits).const(header)]
    for channel in range(shape.tiles * shape.para_out):
        one = min(channel, shape.n_out - 1)
        fields = {"bias": int(bias[one]), "shift": int(numbers.shift[one])}
        if shape.scaled:
            fields["mantissa"] = int(numbers.mantissa[one])
        records.append(layout.const(fields))
    return b"".join(record.as_value().value.to_bytes(size, "little") for record in records)


def _packed(beats: Ints, bits: int) -> bytes:
    return beats.astype(np.dtype(f"<i{bits // 8}")).tobytes()
