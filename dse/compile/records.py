"""Parameter records: bias, requantisation and range of each output channel, and their checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.assembly.program_error import ProgramError
from dse.compile.packing import Piece
from dse.network import constants
from dse.network.graph import INT8_MAX, INT8_MIN, Combine, Conv, Network, Pool
from dse.network.rounding import Factor, factor
from dse.tiling.layer_mapping import ConvAlgorithm
from hw.isa import PARAMETER, Dataflow
from hw.isa.config import PARAMETER_BYTES, OverlayConfig

BIAS_BITS = 32
UNUSED = Factor(0, 0)  # of counts of taps that never occur


@dataclass(frozen=True)
class Range:
    """What clips a result: the output's zero point and its lowest and highest value."""

    zero_point: int
    low: int
    high: int


def record(bias: int, scale: Factor, result: Range) -> bytes:
    """One record as it lies in DRAM."""
    values = {
        "bias": bias,
        "mantissa": scale.mantissa,
        "shift": scale.shift,
        "zero_point": result.zero_point,
        "low": result.low,
        "high": result.high,
    }
    bits = 0
    for name, member in PARAMETER:
        bits |= (values.get(name, 0) & ((1 << member.width) - 1)) << member.offset
    return bits.to_bytes(PARAMETER_BYTES, "little")


@dataclass(frozen=True, eq=False)
class ConvConstants:
    """Bias, mantissa and shift of a convolution's channels."""

    bias: npt.NDArray[np.int64]
    mantissa: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, network: Network, conv: Conv, algorithm: ConvAlgorithm = ConvAlgorithm.IM2COL
    ) -> ConvConstants:
        """The constants of all channels.

        The zero point's share is in the bias, but for kn2row, whose operands are relative to it.
        """
        relative = algorithm is ConvAlgorithm.KN2ROW
        bias = (conv.bias if relative else constants.conv_bias(network, conv)).astype(np.int64)
        return cls(bias, *constants.conv_constants(network, conv))


def conv_records(
    network: Network,
    conv: Conv,
    values: ConvConstants,
    piece: Piece,
    chunks: npt.NDArray[np.int8],
    config: OverlayConfig,
) -> bytes:
    """Records of a piece's channels, whose weights are ``chunks``.

    With two lanes, the weights' own products are folded into the bias, but for weight-stationary
    kn2row, where pixels differ in the products they take, and Winograd, where elements do.
    """
    channels = slice(piece.channel, piece.channel + len(chunks))
    bias = values.bias[channels]
    exact = piece.algorithm is ConvAlgorithm.KN2ROW and piece.dataflow is Dataflow.WS
    exact |= piece.algorithm is ConvAlgorithm.WINOGRAD
    if config.lanes == 2 and not exact:
        weights = chunks.reshape(len(chunks), -1).astype(np.int64)
        bias = bias - (weights[:, 0::2] * weights[:, 1::2]).sum(axis=1)
    return channel_records(network, conv, values, channels, bias, config)


def channel_records(
    network: Network,
    conv: Conv,
    values: ConvConstants,
    channels: slice,
    bias: npt.NDArray[np.int64],
    config: OverlayConfig,
) -> bytes:
    """Records of some of a convolution's channels, with the bias of each."""
    mantissa, shift = values.mantissa[channels], values.shift[channels]
    zero_point = constants.own_result(network, conv).zero_points[channels]
    low, high = (np.broadcast_to(v, len(values.bias))[channels] for v in (conv.low, conv.high))
    return b"".join(
        record(
            _bias(conv, int(value), config), Factor(int(m), int(s)), Range(int(z), int(a), int(b))
        )
        for value, m, s, z, a, b in zip(bias, mantissa, shift, zero_point, low, high, strict=True)
    )


def pool_records(network: Network, pool: Pool, counts: range) -> bytes:
    """One record per count of taps (average), or the only one (maximum).

    A table's entries are results already: their record changes nothing.
    """
    if pool.table is not None:
        return record(0, factor(1.0), Range(0, INT8_MIN, INT8_MAX))
    source, target = network.tensors[pool.input], network.tensors[pool.output]
    result = Range(target.zero_point, pool.low, pool.high)
    factors = constants.pool_constants(network, pool)
    folded = 0 if pool.normalisation else source.zero_point  # which is subtracted before the gain
    return b"".join(record(-count * folded, factors.get(count, UNUSED), result) for count in counts)


def pair_record(network: Network, combine: Combine) -> bytes:
    """The record of all results of a combination."""
    target = network.tensors[combine.output]
    result = Range(target.zero_point, combine.low, combine.high)
    return record(0, constants.combine_constants(network, combine)[2], result)


def needed_bits(network: Network, conv: Conv) -> tuple[int, int]:
    """Bits of a convolution's worst-case sums: with their bias, and those that Winograd computes.

    Sums wrap on their way, harmlessly: only the last value has to fit, and behind the output
    transform, which divides by a power of two, the sum without its bias.
    """
    weights = conv.weight.reshape(conv.weight.shape[0], -1)
    above = np.maximum(weights, 0).sum(axis=1, dtype=np.int64)
    below = np.minimum(weights, 0).sum(axis=1, dtype=np.int64)
    zero_point = network.tensors[conv.input].zero_point
    ends = [
        bias + part
        for zero, bias in ((zero_point, conv.bias), (0, 0))
        for part in (
            above * (INT8_MAX - zero) + below * (INT8_MIN - zero),
            above * (INT8_MIN - zero) + below * (INT8_MAX - zero),
        )
    ]
    most, least, most_raw, least_raw = ends
    return _signed_bits(most, least), _signed_bits(most_raw, least_raw)


def check_accumulators(
    network: Network,
    conv: Conv,
    config: OverlayConfig,
    algorithm: ConvAlgorithm = ConvAlgorithm.IM2COL,
) -> None:
    """Refuse a convolution whose worst-case sum does not fit the accumulators."""
    bits, raw = needed_bits(network, conv)
    if bits > config.accumulator_bits:
        raise ProgramError(
            f"layer {conv.name!r}: sums can need {bits} bits, the accumulators have "
            f"{config.accumulator_bits}: raise accumulator_bits"
        )
    if algorithm is ConvAlgorithm.WINOGRAD and raw > config.result_bits:
        raise ProgramError(
            f"layer {conv.name!r}: winograd needs {raw} bits behind the output transform, the "
            f"overlay has {config.result_bits}: raise accumulator_bits or choose another "
            "algorithm"
        )


def _signed_bits(most: npt.NDArray[np.int64], least: npt.NDArray[np.int64]) -> int:
    """Bits of a signed number that holds all from the least to the most."""
    highest, lowest = int(most.max()), int(least.min())
    return 1 + max(max(highest, 0).bit_length(), max(-lowest - 1, 0).bit_length())


def _bias(conv: Conv, bias: int, config: OverlayConfig) -> int:
    """The bias as the record's field holds it; it wraps as the accumulators do."""
    half = 1 << (BIAS_BITS - 1)
    if -half <= bias < half:
        return bias
    if config.accumulator_bits > BIAS_BITS:
        raise ProgramError(
            f"layer {conv.name!r}: the bias {bias} with the weights' share does not fit "
            f"{BIAS_BITS} bits: use accumulators of at most {BIAS_BITS} bits"
        )
    return (bias + half) % (1 << BIAS_BITS) - half
