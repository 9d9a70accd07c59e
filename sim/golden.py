"""The golden model: the overlay's arithmetic in numpy integers, operator by operator.

The hardware equals it in every bit; float arithmetic is within one unit of it (docs/network.md).
Sums are taken by matrix products in float64.  They are exact: a product of ``x - zero point`` and a
weight is below 2**15, so that every partial sum of up to 2**38 of them is an integer below 2**53.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from dse.network import constants
from dse.network.blocks import space_to_depth
from dse.network.graph import (
    Add,
    Combine,
    Concat,
    Conv,
    Crop,
    Network,
    NetworkError,
    Pool,
    Reshape,
    Slice,
    SpaceToDepth,
    Window,
)
from dse.network.rounding import requantise

Int8s = npt.NDArray[np.int8]
Int64s = npt.NDArray[np.int64]
Shape = tuple[int, int, int]

_CHUNK_VALUES = 2**23
"""Input values gathered at a time for a matrix product: 64 MiB in float64."""


def run(network: Network, inputs: Mapping[str, Int8s]) -> dict[str, Int8s]:
    """All tensors of the network by name, int8 HWC, for one image."""
    network.require_numbers()
    tensors: dict[str, Int8s] = {}
    for name in network.inputs:
        values = inputs.get(name)
        if values is None:
            raise NetworkError(f"input {name!r} of network {network.name!r} is missing")
        if values.shape != network.tensors[name].shape or values.dtype != np.int8:
            raise NetworkError(
                f"input {name!r} must be int8 {network.tensors[name].shape},"
                f" not {values.dtype} {values.shape}"
            )
        tensors[name] = values
    for operator in network.operators:
        match operator:
            case Conv():
                result = conv(network, operator, tensors[operator.input])
            case Pool():
                result = pool(network, operator, tensors[operator.input])
            case Add():
                result = add(network, operator, tensors[operator.a], tensors[operator.b])
            case Combine():
                result = combine(network, operator, tensors[operator.a], tensors[operator.b])
            case Concat():
                result = np.concatenate([tensors[name] for name in operator.inputs], axis=2)
            case Slice(channel=first):
                last = first + network.tensors[operator.output].channels
                result = tensors[operator.input][:, :, first:last]
            case Crop():
                height, width, _ = network.tensors[operator.output].shape
                result = tensors[operator.input][:height, :width]
            case SpaceToDepth(block=block):
                zero_point = network.tensors[operator.input].zero_point
                result = space_to_depth(tensors[operator.input], block, zero_point)
            case Reshape():
                shape = network.tensors[operator.output].shape
                result = tensors[operator.input].reshape(shape)
        tensors[operator.output] = result
    return tensors


def conv(network: Network, operator: Conv, x: Int8s) -> Int8s:
    """A convolution; padding contributes nothing."""
    mantissa, shift = constants.conv_constants(network, operator)
    result = requantise(
        conv_accumulators(network, operator, x),
        mantissa,
        shift,
        constants.own_result(network, operator).zero_points,
        operator.low,
        operator.high,
    )
    return result if operator.table is None else operator.table(result)


def conv_accumulators(network: Network, operator: Conv, x: Int8s) -> Int64s:
    """The exact sums [height, width, Cout] with bias, before requantisation."""
    output = network.tensors[operator.output]
    zero_point = network.tensors[operator.input].zero_point
    centred = x.astype(np.float64) - zero_point
    return (
        window_sums(centred, operator.weight, operator.window, operator.groups, output.shape)
        + operator.bias
    )


def window_sums(
    centred: npt.NDArray[np.float64],
    weight: npt.NDArray[np.integer],
    window: Window,
    groups: int,
    shape: Shape,
) -> Int64s:
    """The exact sums of products over windows, [height, width, Cout]; nothing lies outside."""
    weight = weight.reshape(groups, shape[2] // groups, -1).astype(np.float64)
    acc = np.empty(shape, np.int64)
    for rows, taps in _windows(centred, window, shape, 0.0):
        height, width = taps.shape[:2]
        grouped = taps.reshape(height * width, -1, groups, centred.shape[2] // groups)
        columns = grouped.transpose(2, 0, 1, 3).reshape(groups, height * width, -1)
        product = columns @ weight.transpose(0, 2, 1)
        acc[rows] = product.transpose(1, 0, 2).reshape(height, width, -1)
    return acc


def window_maxima(x: Int64s, window: Window, shape: Shape) -> Int64s:
    """The maxima over windows; nothing lies outside."""
    result = np.empty(shape, np.int64)
    for rows, taps in _windows(x, window, shape, np.iinfo(np.int64).min):
        result[rows] = taps.max(axis=(2, 3))
    return result


def pool(network: Network, operator: Pool, x: Int8s) -> Int8s:
    """Maximum or average; padding contributes nothing."""
    output = network.tensors[operator.output]
    zero_point = network.tensors[operator.input].zero_point
    factors = constants.pool_constants(network, operator)
    centred = x.astype(np.int64) - zero_point
    acc = np.empty(output.shape, np.int64)
    if operator.kind == "max":
        counts = np.ones(output.shape[:2], np.int64)
        gains = constants.pool_gains(network, operator)
        if gains is not None:
            centred = gains(centred)
        acc = window_maxima(centred, operator.window, output.shape)
        if operator.table is not None:
            return operator.table((acc + zero_point).astype(np.int8))
    else:
        counts = constants.pool_counts(network, operator)
        for rows, taps in _windows(centred, operator.window, output.shape, 0):
            acc[rows] = taps.sum(axis=(2, 3))
    mantissa, shift = (
        np.vectorize(table.__getitem__, otypes=[np.int64])(counts)[:, :, None]
        for table in (
            {count: f.mantissa for count, f in factors.items()},
            {count: f.shift for count, f in factors.items()},
        )
    )
    return requantise(acc, mantissa, shift, output.zero_point, operator.low, operator.high)


def add(network: Network, operator: Add, a: Int8s, b: Int8s) -> Int8s:
    """The sum of two tensors, rounded once."""
    za, zb, zy = (
        network.tensors[name].zero_point for name in (operator.a, operator.b, operator.output)
    )
    mantissa_a, mantissa_b, shift = constants.add_constants(network, operator)
    acc = (a.astype(np.int64) - za) * mantissa_a + (b.astype(np.int64) - zb) * mantissa_b
    return requantise(acc, 1, shift, zy, operator.low, operator.high)


def combine(network: Network, operator: Combine, a: Int8s, b: Int8s) -> Int8s:
    """A function of two tensors, rounded once."""
    za, zb, zy = (
        network.tensors[name].zero_point for name in (operator.a, operator.b, operator.output)
    )
    factor_a, factor_b, factor = constants.combine_constants(network, operator)
    one, other = factor_a * (a.astype(np.int64) - za), factor_b * (b.astype(np.int64) - zb)
    acc = _COMBINED[operator.combination](one, other)
    return requantise(acc, factor.mantissa, factor.shift, zy, operator.low, operator.high)


_COMBINED: Mapping[str, np.ufunc] = {
    "product": np.multiply,
    "sum": np.add,
    "difference": np.add,
    "reverse": np.add,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
"""Of both operands times their factors, which have the signs."""


def _windows(
    x: npt.NDArray, window: Window, shape: Shape, outside: float
) -> Iterator[tuple[slice, npt.NDArray]]:
    """Chunks of output rows with what their windows see: [rows, width, Ky, Kx, channels].

    Beyond the image lies ``outside``, as far as the last window reaches.
    """
    top, left, _, _ = window.padding
    reach = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(shape[:2], window.stride, window.dilation, window.kernel, strict=True)
    ]
    padded = np.full(
        (max(reach[0], top + x.shape[0]), max(reach[1], left + x.shape[1]), x.shape[2]),
        outside,
        x.dtype,
    )
    padded[top : top + x.shape[0], left : left + x.shape[1]] = x
    extent = [d * (k - 1) + 1 for d, k in zip(window.dilation, window.kernel, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(0, 1))
    taps = view[
        :: window.stride[0], :: window.stride[1], :, :: window.dilation[0], :: window.dilation[1]
    ][: shape[0], : shape[1]].transpose(0, 1, 3, 4, 2)
    rows = max(1, _CHUNK_VALUES // (taps[0].size or 1))
    for start in range(0, shape[0], rows):
        chunk = slice(start, min(start + rows, shape[0]))
        yield chunk, taps[chunk]
