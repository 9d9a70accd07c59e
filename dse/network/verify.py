"""Whether a network is consistent: its operators exist in order, fit each other and its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from dse.network.operators import (
    Add,
    Combine,
    Concat,
    Conv,
    Crop,
    Numbers,
    Operator,
    Pool,
    Reshape,
    Slice,
    SpaceToDepth,
)
from dse.network.tensor import INT8_MAX, INT8_MIN, NetworkError, Tensor

if TYPE_CHECKING:
    from dse.network.graph import Network

Require = Callable[[bool, str], None]


def verify(network: Network) -> None:
    """Check that every operator's operands exist, precede it and fit; raise NetworkError if not."""
    tensors = network.tensors
    known = set(network.inputs)
    for name in (*network.inputs, *network.outputs):
        if name not in tensors:
            raise NetworkError(f"network {network.name!r}: no tensor named {name!r}")
    for op in network.operators:
        for name in op.inputs:
            if name not in known:
                raise NetworkError(f"operator {op.name!r} reads {name!r} before it is written")
        if op.output in known or op.output not in tensors:
            raise NetworkError(
                f"operator {op.name!r}: output {op.output!r} written twice or undeclared"
            )
        if isinstance(op, SpaceToDepth) and op.input not in network.inputs:
            raise NetworkError(f"operator {op.name!r}: {op.input!r} does not come from the host")
        known.add(op.output)
        _verify_operator(op, tensors)
    _verify_outline(network)
    if not set(network.arrivals) <= set(network.inputs):
        raise NetworkError(f"network {network.name!r}: what arrives later must be an input")
    missing = [name for name in network.outputs if name not in known]
    if missing:
        raise NetworkError(f"network {network.name!r}: outputs {missing} are never written")


def _verify_operator(op: Operator, tensors: Mapping[str, Tensor]) -> None:
    ins = [tensors[name] for name in op.inputs]
    out = tensors[op.output]

    def require(condition: bool, what: str) -> None:
        if not condition:
            shapes = ", ".join(str(t.shape) for t in ins)
            raise NetworkError(
                f"operator {op.name!r}: {what} (inputs {shapes}, output {out.shape})"
            )

    split = isinstance(op, Slice | Reshape | Crop) or not any(tensor.parts for tensor in ins)
    require(split, "an operand with several quantisations can only be cut")
    match op:
        case Conv():
            require(op.window.output(*ins[0].shape[:2]) == out.shape[:2], "output size disagrees")
            if op.numbers is not None:
                _verify_numbers(op, op.numbers, ins[0].channels, out.channels, require)
            require(ins[0].channels % op.groups == 0, "input channels and groups disagree")
            require(out.channels % op.groups == 0, "output channels disagree")
            require(op.table is None or not out.parts, "a table's results have one quantisation")
        case Pool():
            require(ins[0].channels == out.channels, "channels disagree")
            if op.table is not None:
                require(op.kind == "max", "only a maximum can have a table")
                same = op.table.quantisation == ins[0].quantisation
                require(same, "the table is not of the input's quantisation")
            if op.normalisation is not None:
                require(op.kind == "max" and op.table is None, "only a maximum alone normalises")
            require(INT8_MIN <= op.low <= op.high <= INT8_MAX, "output range out of int8")
        case Add():
            require(ins[0].shape == ins[1].shape == out.shape, "shapes disagree")
            require(INT8_MIN <= op.low <= op.high <= INT8_MAX, "output range out of int8")
        case Combine():
            require(ins[0].shape == out.shape, "shapes disagree")
            (height, width, channels), extents = ins[1].shape, out.shape[:2]
            fits = (height, width) in (extents, (1, 1)) and channels in (out.channels, 1)
            require(fits, "the second operand fits no pixel")
            require(INT8_MIN <= op.low <= op.high <= INT8_MAX, "output range out of int8")
        case Concat():
            require(all(t.shape[:2] == out.shape[:2] for t in ins), "extents disagree")
            require(sum(t.channels for t in ins) == out.channels, "channels disagree")
            require(all(t.quantisation == out.quantisation for t in ins), "quantisations disagree")
        case Reshape():
            require(ins[0].size == out.size, "sizes disagree")
            pixels = int(np.lcm(ins[0].channels, out.channels))
            require(_same_meaning(ins[0], out, 0, pixels), "quantisations disagree")
        case Slice():
            require(ins[0].shape[:2] == out.shape[:2], "extents disagree")
            require(0 <= op.channel <= ins[0].channels - out.channels, "no such channels")
            same = _same_meaning(ins[0], out, op.channel, out.channels)
            require(same, "quantisations disagree")
        case Crop():
            (height, width, channels), (rows, columns, depth) = ins[0].shape, out.shape
            require(rows <= height and columns <= width, "no such pixels")
            require(channels == depth, "channels disagree")
            require(_same_meaning(ins[0], out, 0, channels), "quantisations disagree")
        case SpaceToDepth():
            by, bx = op.block
            rows, columns = -(-ins[0].height // by), -(-ins[0].width // bx)
            blocks = rows, columns, by * bx * ins[0].channels
            require(min(op.block) >= 1 and blocks == out.shape, "blocks disagree")
            require(ins[0].quantisation == out.quantisation, "quantisations disagree")


def _verify_numbers(conv: Conv, numbers: Numbers, cin: int, cout: int, require: Require) -> None:
    rows, ky, kx, depth = numbers.weight.shape
    require((ky, kx) == conv.window.kernel, "kernel and weights disagree")
    require(depth * conv.groups == cin, "input channels and weights disagree")
    require(rows == cout, "output channels disagree")
    types = numbers.weight.dtype, numbers.bias.dtype
    require(types == (np.int8, np.int32), "wrong types")
    shapes = numbers.weight_scale.shape, numbers.bias.shape
    require(shapes == ((cout,), (cout,)), "scales or bias disagree")
    low, high = np.broadcast_to(numbers.low, cout), np.broadcast_to(numbers.high, cout)
    require(bool(np.all(low <= high)), "output range is empty")
    require(low.min() >= INT8_MIN and high.max() <= INT8_MAX, "output range out of int8")


def _same_meaning(source: Tensor, target: Tensor, first: int, count: int) -> bool:
    """Whether values mean the same, ``count`` of them from ``first`` on in the source."""
    if source.quantisation is None or target.quantisation is None:
        return source.quantisation is target.quantisation
    values = np.arange(count)
    return np.array_equal(source.meaning(first + values), target.meaning(values))


def _verify_outline(network: Network) -> None:
    """An outline has no numbers at all."""
    known = {tensor.quantisation is not None for tensor in network.tensors.values()}
    known |= {op.numbers is not None for op in network.operators if isinstance(op, Conv)}
    known |= {table.quantisation is not None for table in network.tables}
    if len(known) > 1:
        raise NetworkError(
            f"network {network.name!r}: only some of its weights and quantisations are given: give"
            " all or none"
        )
