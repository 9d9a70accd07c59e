"""Integer constants of every operator, shared by golden model, compiler and hardware."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dse.network.graph import (
    INT8_MAX,
    INT8_MIN,
    Add,
    Combine,
    Conv,
    Network,
    NetworkError,
    Pool,
    Tensor,
)
from dse.network.normalisation import Gains
from dse.network.rounding import Factor, factor, factor_pair

Integers = npt.NDArray[np.int64]


def conv_constants(network: Network, conv: Conv) -> tuple[Integers, Integers]:
    """(mantissa [Cout], shift [Cout]) that take accumulators to the output's units."""
    sx, scales = network.tensors[conv.input].scale, own_result(network, conv).scales
    factors = [
        _factor(conv.name, sx * float(sw) / float(sy))
        for sw, sy in zip(conv.weight_scale, scales, strict=True)
    ]
    mantissa = np.array([f.mantissa for f in factors], np.int64)
    return mantissa, np.array([f.shift for f in factors], np.int64)


def own_result(network: Network, conv: Conv) -> Tensor:
    """What a convolution's own int8 result means: its output, unless a table comes between."""
    output = network.tensors[conv.output]
    return output if conv.table is None else replace(output, quantisation=conv.table.quantisation)


def conv_bias(network: Network, conv: Conv) -> npt.NDArray[np.int32]:
    """The bias [Cout] of raw sums, ``sum(x * w) + conv_bias``, with zero points as padding."""
    zx = network.tensors[conv.input].zero_point
    sums = conv.weight.reshape(len(conv.weight), -1).sum(axis=1, dtype=np.int64)
    return _int32(conv.name, "folded bias", conv.bias.astype(np.int64) - zx * sums)


def accumulator_bound(network: Network, conv: Conv) -> Integers:
    """The largest magnitude [Cout] of ``sum(x * w) + conv_bias`` over all int8 inputs x.

    Attained, unless padding covers part of every window.
    """
    weight = conv.weight.reshape(len(conv.weight), -1).astype(np.int64)
    positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    bias = conv_bias(network, conv).astype(np.int64)
    high = INT8_MAX * positive + INT8_MIN * negative + bias
    low = INT8_MIN * positive + INT8_MAX * negative + bias
    return np.maximum(np.abs(high), np.abs(low))


def pool_constants(network: Network, pool: Pool) -> dict[int, Factor]:
    """The factor for every number of counted taps; a maximum counts one, and none in a table."""
    if pool.table is not None:
        return {1: factor(1.0)}
    sx, sy = network.tensors[pool.input].scale, network.tensors[pool.output].scale
    if pool.kind == "max":
        gains = pool_gains(network, pool)
        return {1: _factor(pool.name, sx * (gains.unit if gains else 1.0) / sy)}
    counts = np.unique(pool_counts(network, pool))
    return {int(count): _factor(pool.name, sx / (sy * int(count))) for count in counts}


def pool_gains(network: Network, pool: Pool) -> Gains | None:
    """The gains of a maximum that normalises."""
    values = network.tensors[pool.input].quantisation
    if pool.normalisation is None or values is None:
        return None
    return pool.normalisation.gains(values)


def pool_counts(network: Network, pool: Pool) -> Integers:
    """Taps [height, width] by which an average divides: inside image, or image and padding."""
    x, y = network.tensors[pool.input], network.tensors[pool.output]
    top, left, bottom, right = pool.window.padding
    sides = []
    for axis, (n, out, before, after) in enumerate(
        ((x.height, y.height, top, bottom), (x.width, y.width, left, right))
    ):
        taps = np.arange(pool.window.kernel[axis]) * pool.window.dilation[axis] - before
        at = np.arange(out)[:, None] * pool.window.stride[axis] + taps
        if pool.count_include_pad:
            sides.append(((at >= -before) & (at < n + after)).sum(axis=1))
        else:
            sides.append(((at >= 0) & (at < n)).sum(axis=1))
    return np.outer(*sides)


def add_constants(network: Network, add: Add) -> tuple[int, int, int]:
    """(mantissa of a, mantissa of b, shift): the scales of both operands in the output's units."""
    sa, sb, sy = (network.tensors[name].scale for name in (add.a, add.b, add.output))
    try:
        return factor_pair(sa / sy, sb / sy)
    except ValueError as error:
        raise NetworkError(f"operator {add.name!r}: {error}") from None


def combine_constants(network: Network, combine: Combine) -> tuple[int, int, Factor]:
    """The factors of both centred operands, and that of their combination; of a product 1 and 1."""
    names = combine.a, combine.b, combine.output
    sa, sb, sy = (network.tensors[name].scale for name in names)
    if combine.combination == "product":
        return 1, 1, _factor(combine.name, sa * sb / sy)
    try:
        a, b, shift = factor_pair(sa / sy, sb / sy)
    except ValueError as error:
        raise NetworkError(f"operator {combine.name!r}: {error}") from None
    signs = {"difference": (1, -1), "reverse": (-1, 1)}.get(combine.combination, (1, 1))
    return signs[0] * a, signs[1] * b, Factor(1, shift)


def verify(network: Network) -> None:
    """Check that every constant can be represented; raise NetworkError if not."""
    for operator in network.operators:
        match operator:
            case Conv():
                conv_constants(network, operator)
                bound = accumulator_bound(network, operator)
                _int32(operator.name, "accumulator", bound)
            case Pool():
                pool_constants(network, operator)
            case Add():
                add_constants(network, operator)
            case Combine():
                combine_constants(network, operator)


def _factor(name: str, real: float) -> Factor:
    try:
        return factor(real)
    except ValueError as error:
        raise NetworkError(f"operator {name!r}: {error}") from None


def _int32(name: str, what: str, values: Integers) -> npt.NDArray[np.int32]:
    limits = np.iinfo(np.int32)
    beyond = np.flatnonzero((values < limits.min) | (values > limits.max))
    if len(beyond):
        raise NetworkError(
            f"operator {name!r}: the {what} of channel {beyond[0]} reaches {values[beyond[0]]},"
            " beyond int32; use a larger weight scale or split the layer"
        )
    return values.astype(np.int32)
