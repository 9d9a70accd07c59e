"""What the memory behind a layer pipeline holds: parameters and weights, stage after stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dse.pipeline.stage_numbers import Ints, StageNumbers
from hw.stages.map_link import MapLink
from hw.stages.result_beat import header_layout, parameter_layout
from hw.stages.shape import StageShape
from hw.stages.weight_region import WeightBus, WordPacking, weight_regions

Bytes = npt.NDArray[np.uint8]


def weight_image(
    shapes: Sequence[StageShape], numbers: Sequence[StageNumbers], bus: WeightBus
) -> list[bytes]:
    """The stripe of each port: beat n of the whole is the n-th of every stripe."""
    beat_bytes = bus.beat_bits // 8
    regions = weight_regions(shapes, bus)
    whole = np.zeros((regions[-1].end, beat_bytes), np.uint8)
    for region, shape, own in zip(regions, shapes, numbers, strict=True):
        for start, packing, words in (
            (region.start, region.parameters, _records(shape, own)),
            (region.weight_start, region.weights, _weights(shape, own)),
        ):
            beats = _packed(words, packing)
            whole[start : start + len(beats)] = beats
    parted = whole.reshape(-1, bus.ports, bus.data_bytes)
    return [parted[:, port].tobytes() for port in range(bus.ports)]


def arrival_order(link: MapLink) -> Ints:
    """Places in a map [size, size, channels] in the order of arrival; -1 for lanes without use."""
    places = np.arange(link.size**2 * link.channels).reshape(link.size**2, link.channels)
    parts = []
    for first in range(0, link.channels, link.tile):
        tile = places[:, first : first + link.tile]
        room = -tile.shape[1] % link.width
        parts.append(np.pad(tile, ((0, 0), (0, room)), constant_values=-1).ravel())
    return np.concatenate(parts)


def _packed(words: Bytes, packing: WordPacking) -> Bytes:
    """Words [number, bytes] as beats."""
    beat_bytes = packing.beat_bits // 8
    if packing.word_beats > 1:
        room = packing.word_beats * beat_bytes - words.shape[1]
        return np.pad(words, ((0, 0), (0, room))).reshape(-1, beat_bytes)
    whole = np.pad(words, ((0, -len(words) % packing.per_beat), (0, 0)))
    beats = whole.reshape(-1, packing.per_beat * words.shape[1])
    return np.pad(beats, ((0, 0), (0, beat_bytes - beats.shape[1])))


def _weights(shape: StageShape, numbers: StageNumbers) -> Bytes:
    """Weights in the order of waves: tiles, taps, steps over input channels."""
    weights = numbers.weights
    if shape.flattens is not None:
        order = arrival_order(shape.flattens)
        taken = weights.reshape(shape.n_out, -1)[:, order]
        weights = np.where(order < 0, 0, taken).reshape(shape.n_out, 1, 1, -1)
    outs = shape.tiles * shape.para_out - shape.n_out
    ins = shape.in_steps * shape.para_in - shape.n_in
    padded = np.pad(weights, ((0, outs), (0, 0), (0, 0), (0, ins)))
    rows = padded.reshape(
        shape.tiles, shape.para_out, shape.taps, shape.in_steps, shape.para_in
    ).transpose(0, 2, 3, 1, 4)
    beats = rows.reshape(-1, shape.weight_beat).astype(np.dtype(f"<i{shape.bits // 8}"))
    return np.frombuffer(beats.tobytes(), np.uint8).reshape(len(beats), -1)


def _records(shape: StageShape, numbers: StageNumbers) -> Bytes:
    """The header, and a record for each channel of all tiles.

    The hardware multiplies values as they are; that they mean zero at ``zero_in`` is in the bias.
    """
    bias = numbers.bias - numbers.zero_in * numbers.weights.reshape(shape.n_out, -1).sum(1)
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
    values = [record.as_value().value for record in records]
    size = -(-max(record.shape().size for record in (records[0], records[-1])) // 8)
    return np.frombuffer(
        b"".join(value.to_bytes(size, "little") for value in values), np.uint8
    ).reshape(len(values), size)
