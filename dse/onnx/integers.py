"""From a draft to the network: of a quantised one integers only, of any its outline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from dse.network.graph import (
    INT8_MAX,
    INT8_MIN,
    ActivationTable,
    Add,
    Combine,
    Concat,
    Conv,
    Network,
    Numbers,
    Operator,
    Pool,
    Quantisation,
    Reshape,
    Slice,
    Tensor,
)
from dse.network.names import Names
from dse.network.normalisation_fusion import into_maxima
from dse.network.table_fusion import behind_convolutions
from dse.onnx import draft_passes as passes
from dse.onnx.draft import Coefficients, Draft, DraftLayer, DraftTensor
from dse.onnx.on_the_spot import left_in_float
from dse.onnx.values import Unsupported

QUANTISE = "quantise this node too, or import the float model with calibration arrays"

Range = tuple[int, int]
Rounding = Literal["nearest", "inwards"]
"""How bounds become integers: as QuantizeLinear rounds what comes after a range in a quantised
model, or so that no result is beyond the real bound, where a range has no rounding after it."""

_FAR = 2.0**20  # beyond all integers of a tensor

_IDLE, _SMALLEST_FACTOR, _LARGEST_BIAS = 2.0**-16, 2.0**-40, 2.0**30


def unquantised(draft: Draft) -> Iterator[tuple[DraftTensor, Unsupported]]:
    """What a quantised model does not round, though no layer left in float is why."""
    passes.fold(draft)
    passes.complete(draft)
    left = left_in_float(draft).tensors
    for tensor in draft.inputs:
        if tensor.quantisation is None and tensor not in left:
            yield tensor, Unsupported("the model does not quantise it", QUANTISE)
    for layer in draft.layers:
        if layer.output in left:
            continue
        if layer.output.quantisation is None:
            yield layer.output, Unsupported("its output is not quantised", QUANTISE)
        elif layer.integers and any(
            t.quantisation != layer.output.quantisation for t in layer.inputs
        ):
            reason = "its integers are read with another scale than those of its input"
            yield layer.output, Unsupported(reason, "quantise the model again")


def network(draft: Draft, name: str, sha256: str, rounding: Rounding = "nearest") -> Network:
    """The network of a draft without problems."""
    passes.unify(draft, once=rounding == "inwards")
    return _network(draft, name, sha256, lambda layer: _operator(layer, rounding))


def outline(draft: Draft, name: str, sha256: str) -> Network:
    """What shapes alone decide, before anything is calibrated.

    Concatenations have no copies of their inputs, which calibration can ask for: whatever may be
    done to the outline may be done to the calibrated network.
    """
    for tensor in _tensors(draft):
        tensor.quantisation = None
    return _network(draft, name, sha256, _shaped)


def _network(
    draft: Draft, name: str, sha256: str, operator: Callable[[DraftLayer], Operator]
) -> Network:
    names = Names(tensor.name for tensor in draft.inputs)  # with the layers', one name space
    for layer in draft.layers:
        layer.name = names.fresh(layer.name)
    whole = Network(
        name=name,
        tensors={t.name: Tensor(t.name, *t.shape, t.quantisation) for t in _tensors(draft)},
        operators=tuple(operator(layer) for layer in draft.layers),
        inputs=tuple(tensor.name for tensor in draft.inputs),
        outputs=tuple(tensor.name for tensor in draft.outputs),
        source_sha256=sha256,
        arrivals={tensor.name: tensor.segment for tensor in draft.inputs if tensor.segment},
    )
    return into_maxima(behind_convolutions(whole))


def _tensors(draft: Draft) -> list[DraftTensor]:
    return [*draft.inputs, *(layer.output for layer in draft.layers)]


def _quantisation(tensor: DraftTensor) -> Quantisation:
    assert tensor.quantisation is not None
    return tensor.quantisation


def _operator(layer: DraftLayer, rounding: Rounding) -> Operator:
    """The operator with its numbers."""
    q = _quantisation(layer.output)
    low, high = _integers_within(layer.low, layer.high, q, rounding)
    held = _integers_within(*layer.held, q, "nearest")
    low, high = (int(np.clip(bound, low, high)) for bound in held)  # bounds come first
    match _shaped(layer):
        case Conv() as conv:
            return replace(conv, numbers=Numbers(*_convolution(layer), low, high))
        case Pool(table=ActivationTable()) as function:
            return replace(function, table=_table(layer, low, high))
        case Pool() | Add() | Combine() as ranged:
            return replace(ranged, low=low, high=high)
        case other:
            return other


def _shaped(layer: DraftLayer) -> Operator:
    """The operator without numbers."""
    inputs, output = tuple(tensor.name for tensor in layer.inputs), layer.output.name
    match layer.kind:
        case "conv":
            return Conv(layer.name, inputs[0], output, layer.window, layer.groups)
        case "max" | "average":
            include = layer.count_include_pad
            return Pool(layer.name, inputs[0], output, layer.kind, layer.window, include)
        case "table":
            return Pool(layer.name, inputs[0], output, "max", layer.window, table=ActivationTable())
        case "normalise":
            known = layer.normalisation
            return Pool(layer.name, inputs[0], output, "max", layer.window, normalisation=known)
        case "add":
            return Add(layer.name, inputs[0], inputs[1], output)
        case "combine":
            kind = layer.combination
            return Combine(layer.name, inputs[0], inputs[1], output, combination=kind)
        case "concat":
            return Concat(layer.name, inputs, output)
        case "reshape":
            return Reshape(layer.name, inputs[0], output)
        case "slice":
            return Slice(layer.name, inputs[0], output, layer.channel)


def _table(layer: DraftLayer, low: int, high: int) -> ActivationTable:
    """The function of each value of the input, in the output's units and range."""
    assert layer.function is not None
    argument = _quantisation(layer.inputs[0])
    entries = layer.function.entries(argument, _quantisation(layer.output))
    return ActivationTable.of(argument, np.clip(entries, low, high))


def _integers_within(low: float, high: float, q: Quantisation, rounding: Rounding) -> Range:
    """A range in the tensor's own units.

    Where no integer lies between the bounds, the one nearest to both is all there is.
    """
    if rounding == "inwards":
        least, most = -_largest(-low, q.scale), _largest(high, q.scale)
        if least > most:
            least = most = np.rint((low + high) / 2 / q.scale)
    else:
        least, most = np.rint(low / q.scale), np.rint(high / q.scale)
    least, most = np.clip((least + q.zero_point, most + q.zero_point), INT8_MIN, INT8_MAX)
    return int(least), int(most)


def _largest(bound: float, scale: float) -> float:
    """The largest integer that DequantizeLinear, in float32, does not take beyond a bound."""
    integer = np.ceil(np.clip(bound / scale, -_FAR, _FAR))
    return integer if np.float32(integer) * np.float32(scale) <= bound else integer - 1


def _convolution(
    layer: DraftLayer,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    assert layer.weight is not None
    sx, sy = (_quantisation(t).scale for t in (layer.inputs[0], layer.output))
    weight, scale = _quantised_weight(layer.weight)
    real_bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.real()
    # A channel of zeros has no scale of its own: any will do in which its bias is exact.
    idle = ~np.any(weight.reshape(len(weight), -1), axis=1)
    scale = np.where(idle, sy / sx * _IDLE, scale)
    # A channel of nearly zeros gets the smallest scale in which factor and bias have room.
    smallest = np.maximum(sy * _SMALLEST_FACTOR, np.abs(real_bias) / _LARGEST_BIAS) / sx
    weak = scale < smallest
    shrink = np.where(weak, scale / smallest, 1.0).reshape(-1, 1, 1, 1)
    if weak.any():
        weight = np.rint(weight * shrink).astype(np.int8)
    scale = np.where(weak, smallest, scale)
    bias = real_bias if layer.bias is None else _integers(layer.bias, sx * scale)
    return weight, scale, bias.astype(np.int32)


def _quantised_weight(
    weight: Coefficients,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Symmetric int8 weights; the gains of an affine layer are quantised here, exactly."""
    if weight.scale is not None:
        return weight.values.astype(np.int8, copy=False), weight.scale.astype(np.float64)
    peak = np.abs(weight.values).reshape(len(weight.values), -1).max(axis=1).astype(np.float64)
    scale = np.where(peak > 0, peak / 127, 1.0)
    column = scale.reshape(-1, *[1] * (weight.values.ndim - 1))
    return np.rint(weight.values / column).astype(np.int8), scale


def _integers(bias: Coefficients, unit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The bias in units of ``unit``; a bias already in these units is taken as it is."""
    if bias.scale is not None and np.allclose(bias.scale, unit, rtol=1e-5, atol=0):
        return bias.values.astype(np.float64)
    return np.rint(bias.real() / unit)
