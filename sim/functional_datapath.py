"""The functional model's datapath: what single instructions do to bytes, by ``hw.isa`` alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from amaranth.hdl import Shape

from dse.assembly.instruction import Instruction
from dse.network.rounding import round_half_even_shift
from hw.isa import PARAMETER, TRANSFORM_OF, Algorithm, Combination, Dataflow, Opcode
from hw.isa.config import OverlayConfig
from hw.isa.squares import DROPPED_BITS, KEPT_BITS, REACH
from sim.functional_taps import Bytes, FunctionalError, Int8s, Int64s, TapPlaces, wrap
from sim.functional_winograd import winograd_sums


def pixel_bytes(shape: tuple[int, ...], address: int, pitch: int) -> Int64s:
    """Addresses of [pixels, channels]."""
    return address + np.arange(shape[0])[:, None] * pitch + np.arange(shape[1])


def result_bytes(instruction: Instruction, shape: tuple[int, ...], name: str) -> Int64s:
    """Addresses of results or residuals, [pixels, channels]; ``name``: of the fields.

    Only Winograd's rows are told apart from pixels: they may be an image's columns.
    """
    f = instruction.field
    pixel = np.arange(shape[0])
    offset = pixel * f(f"{name}_pitch")
    if instruction.opcode is Opcode.CONV and f("algorithm") in TRANSFORM_OF:
        row, column = np.divmod(pixel, f("image_width"))
        offset = row * f(f"{name}_row_pitch") + column * f(f"{name}_pitch")
    return f(f"{name}_address") + offset[:, None] + np.arange(shape[1])


def weight_words(instruction: Instruction, data: Bytes, config: OverlayConfig) -> Bytes:
    """[words, bytes of whole beats] that a WEIGHTS delivers; ``data``: the whole weight stream."""
    f = instruction.field
    beats = f("beats_per_word") * config.weight_beat_bytes
    position, parts = f("offset") * config.weight_ports, []
    for segment in range(f("segments")):
        words = f("last_words") if segment == f("segments") - 1 else f("segment_words")
        part = data[position : position + words * beats].reshape(words, beats)
        parts += [part] * f("repeats")
        position += words * beats
    return np.concatenate(parts)


def unpack(records: Bytes) -> dict[str, Int64s]:
    """Fields of parameter records, one value each."""
    words = [int.from_bytes(record.tobytes(), "little") for record in records]
    found = {}
    for name, member in PARAMETER:
        raw = [word >> member.offset & (1 << member.width) - 1 for word in words]
        values = np.array(raw, np.int64)
        found[name] = wrap(values, member.width) if Shape.cast(member.shape).signed else values
    return found


def conv_sums(
    instruction: Instruction, tensor: Bytes, weights: Bytes, config: OverlayConfig
) -> Int64s:
    """The sums of a CONV without bias, [pixels, channels]."""
    f = instruction.field
    if f("algorithm") in TRANSFORM_OF:
        return winograd_sums(instruction, tensor, weights, config)
    taps = TapPlaces.of(instruction).spread(f("run_words") * config.reduction)
    values, _ = taps.read(instruction, tensor)
    kn2row = f("algorithm") == Algorithm.KN2ROW
    if kn2row:
        values = values - f("zero_point")
    # Weight-stationary kn2row leaves out pixels, so each chunk's terms are taken off with it.
    lanes = 1 if kn2row and f("dataflow") == Dataflow.WS else config.lanes
    activations = values.reshape(f("pixels"), -1)
    sums = np.empty((f("pixels"), f("channels")), np.int64)
    for channels, pixels, matrix in tiles(instruction, weights, config):
        width = channels.stop - channels.start
        sums[pixels, channels] = array_sums(activations[pixels], matrix, lanes)[:, :width]
    return sums


def conv_results(sums: Int64s, record: Mapping[str, Int64s], config: OverlayConfig) -> Int64s:
    """The int8 results of a CONV, before any residual."""
    return finished(wrap(sums + record["bias"], config.accumulator_bits), record)


def residual_results(instruction: Instruction, own: Int64s, other: Int64s) -> Int64s:
    """The sum of a CONV's own int8 results and the residual."""
    f = instruction.field
    total = own * f("factor") + other * f("residual_factor") + f("residual_offset")
    rounded = round_half_even_shift(total, f("residual_shift")) + f("residual_zero")
    return np.clip(rounded, f("residual_low"), f("residual_high"))


def tiles(
    instruction: Instruction, weights: Bytes, config: OverlayConfig
) -> Iterator[tuple[slice, slice, Int64s]]:
    """Channel and pixel tiles in order with their weights, [reduction bytes, channels]."""
    f = instruction.field
    position = 0
    for first in range(0, f("channels"), f("channel_tile")):
        channels = slice(first, min(first + f("channel_tile"), f("channels")))
        stationary_inputs = f("dataflow") == Dataflow.IS
        per_chunk = channels.stop - channels.start if stationary_inputs else config.rows
        count = f("chunks") * per_chunk
        if f("replay") and count > config.weight_words:
            raise FunctionalError("a CONV replays more words than the weight buffer holds")
        for index, pixel in enumerate(range(0, f("pixels"), f("pixel_tile"))):
            if index == 0 or not f("replay"):
                words = weights[position : position + count].view(np.int8)
                if len(words) < count:
                    raise FunctionalError("a CONV runs out of weights")
                position += count
            pixels = slice(pixel, min(pixel + f("pixel_tile"), f("pixels")))
            shaped = words.reshape(f("chunks"), per_chunk, -1)
            yield channels, pixels, _matrix(shaped, stationary_inputs, config)
    if position != len(weights):
        raise FunctionalError("a CONV leaves weights behind")


def _matrix(words: Int8s, stationary_inputs: bool, config: OverlayConfig) -> Int64s:
    if stationary_inputs:
        ordered = words[:, :, : config.reduction].transpose(0, 2, 1)
        return ordered.reshape(-1, words.shape[1]).astype(np.int64)
    top = words[:, ::-1, : config.top_bytes]
    shaped = top.reshape(len(words), config.rows, config.columns, config.lanes)
    return shaped.transpose(0, 1, 3, 2).reshape(-1, config.columns).astype(np.int64)


def array_sums(activations: Int64s, weights: Int64s, lanes: int) -> Int64s:
    """What the array yields after its correction: with two lanes, the weights' products stay in.

    ``sum (s0 + t1)(s1 + t0) - sum s0 s1``, expanded so that a floating-point matrix product takes
    the bulk; all values are integers far below 2**53.
    """
    product = (activations.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)
    if lanes == 1:
        return product
    return product + (weights[0::2] * weights[1::2]).sum(axis=0)


def looked_up(table: Bytes, values: Int64s) -> Int64s:
    """The entries of int8 values, by their lowest eight bits."""
    return table[values & 0xFF].view(np.int8).astype(np.int64)


def pool_results(
    instruction: Instruction, tensor: Bytes, parameters: Bytes, table: Bytes | None
) -> Int64s:
    """The int8 results of a POOL, [pixels, channels], but of a depthwise convolution."""
    f = instruction.field
    if f("product"):
        record = unpack(parameters[f("parameters")][None])
        return finished(_combined(instruction, tensor) + record["bias"], record)
    if f("normalise"):
        assert table is not None
        record = unpack(parameters[f("parameters")][None])
        largest = _normalised(instruction, tensor, table).max(axis=(1, 2))
        return finished(largest + record["bias"], record)
    taps = TapPlaces.of(instruction).spread(f("channels"))
    value, inside = taps.read(instruction, tensor)
    window = (1, 2)  # axes
    if not f("average"):
        record = unpack(parameters[f("parameters")][None])
        largest = value.max(axis=window)
        entries = largest if table is None else looked_up(table, largest)
        return finished(entries + record["bias"], record)
    counted = (taps.row < f("counted_height")) & (taps.position < f("counted_bytes"))
    if not f("include_padding"):
        counted = counted & inside
    counts = counted.sum(axis=window)
    if (counts != counts[:, :1]).any():
        raise FunctionalError("the channels of a pixel count different taps")
    index = (f("parameters") + counts[:, :1]) % (1 << 16) % len(parameters)
    record = {name: values[index] for name, values in unpack(parameters).items()}
    return finished(np.where(counted, value, 0).sum(axis=window) + record["bias"], record)


def _combined(instruction: Instruction, tensor: Bytes) -> Int64s:
    """Each pixel's last tap with the other operand, [pixels, channels]."""
    f = instruction.field
    places = TapPlaces.of(instruction).spread(f("channels"))
    shape = f("pixels"), 1 if f("spread") else f("channels")
    own = (places.start + places.position)[:, -1, -1]
    other = pixel_bytes(shape, f("operand_address"), f("operand_pitch"))
    one, operand = (
        tensor[address % tensor.size].view(np.int8).astype(np.int64) - f(zero_point)
        for address, zero_point in ((own, "zero_point"), (other, "operand_zero_point"))
    )
    if f("combination") == Combination.PRODUCT:
        return one * operand
    scaled = one * f("factor"), operand * f("operand_factor")
    match f("combination"):
        case Combination.SUM:
            return scaled[0] + scaled[1]
        case Combination.MAXIMUM:
            return np.maximum(*scaled)
        case _:
            return np.minimum(*scaled)


def _normalised(instruction: Instruction, tensor: Bytes, table: Bytes) -> Int64s:
    """Each tap times its gain, [pixels, tap rows, tap columns, channels]; padding is never most."""
    f = instruction.field
    channels = f("channels")
    taps = TapPlaces.of(instruction)
    _, inside = taps.read(instruction, tensor)
    bytes_ = (taps.start + taps.position)[..., None] + np.arange(channels + 2 * REACH)
    value = tensor[bytes_ % tensor.size].view(np.int8).astype(np.int64)
    channel = np.arange(channels + 2 * REACH) - REACH
    known = (channel >= -f("channels_before")) & (channel < channels + f("channels_after"))
    relative = np.where(known, value - f("zero_point"), 0)
    sums = np.zeros((*relative.shape[:-1], channels), np.int64)
    for by in range(-f("reach"), f("reach") + 1):
        sums += relative[..., REACH + by : REACH + by + channels] ** 2
    rest = sums >> DROPPED_BITS
    shift = np.maximum(np.frexp(rest)[1] - KEPT_BITS - 1, 0)
    code = np.where(rest >> KEPT_BITS, ((shift + 1) << KEPT_BITS) + (rest >> shift) - 32, rest)
    products = relative[..., REACH : REACH + channels] * table[code].astype(np.int64)
    return np.where(inside[..., None], products, -(1 << 17))


def finished(acc: Int64s, record: Mapping[str, Int64s]) -> Int64s:
    """Requantise sums by their records."""
    scaled = round_half_even_shift(acc * record["mantissa"], record["shift"])
    return np.clip(scaled + record["zero_point"], record["low"], record["high"])
