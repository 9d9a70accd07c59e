"""Lowering of the operators without a window: ranges, gains and offsets, sums, concatenation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from dse.network.graph import Quantisation
from dse.network.operators import Combination
from dse.onnx.draft import Coefficients, DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.lower_join import join
from dse.onnx.remedies import UNKNOWN_REMEDY, unknown
from dse.onnx.source import attribute, node_name, operator
from dse.onnx.values import Const, OverlayValue, Unsupported, require

Reals = npt.NDArray[np.float64]


def relu(drafting: Drafting, node: onnx.NodeProto) -> None:
    restrict(drafting, node, drafting.permuted(node), 0.0, np.inf)


def clip(drafting: Drafting, node: onnx.NodeProto) -> None:
    bounds = []
    for index, name, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        array = drafting.array(node, index)
        value = attribute(node, name, default) if array is None else array.reshape(())
        bounds.append(float(cast(float, value)))
    restrict(drafting, node, drafting.permuted(node), bounds[0], bounds[1])


def restrict(
    drafting: Drafting, node: onnx.NodeProto, x: OverlayValue, low: float, high: float
) -> OverlayValue:
    """Add a layer that clips; later it joins the layer before it where that is possible.

    On tensors that the model holds quantised, ONNX clips the integers themselves.  Crossed bounds
    make everything the upper one.
    """
    low = min(low, high)
    known = None
    if x.is_quantised:
        known = x.tensor.quantisation
        if known is None:
            raise Unsupported(
                "the scale of the integers it clips is not known",
                "clip real numbers, or quantise the input in the model",
            )
        shift = 128 if x.dtype == np.uint8 else 0
        low, high = (known.scale * (bound - shift - known.zero_point) for bound in (low, high))
    result = DraftTensor(node.output[0], *x.tensor.shape, known)
    layer = DraftLayer("max", node_name(node), node.op_type, [x.tensor], result, low=low, high=high)
    made = replace(x, tensor=drafting.add(layer))
    drafting.set(node, made)
    return made


def identity(drafting: Drafting, node: onnx.NodeProto) -> None:
    training = drafting.array(node, 2) if node.op_type == "Dropout" else None
    if training is not None and training.any():
        raise Unsupported("it is in training mode", "export the model for inference")
    drafting.set(node, drafting.seen(node))


def cast_(drafting: Drafting, node: onnx.NodeProto) -> None:
    """From reals to reals of another type nothing happens: the overlay has none of these types."""
    x = drafting.seen(node)
    to = np.dtype(helper.tensor_dtype_to_np_dtype(cast(int, attribute(node, "to"))))
    if x.is_quantised or to.kind != "f":
        raise Unsupported(
            f"it makes {to} of {x.dtype}", "quantise with QuantizeLinear, or keep real numbers"
        )
    drafting.set(node, replace(x, dtype=to))


def batch_normalisation(drafting: Drafting, node: onnx.NodeProto) -> None:
    if attribute(node, "training_mode", 0) or not attribute(node, "spatial", 1):
        raise Unsupported("it is in training mode", "export the model for inference")
    parameters = [np.asarray(drafting.array(node, index), np.float64) for index in range(1, 5)]
    x = drafting.operand(node)
    require(
        all(array.shape == (x.tensor.channels,) for array in parameters),
        f"its parameters are not one value for each of {x.tensor.channels} channels",
    )
    scale, offset, mean, variance = parameters
    with np.errstate(all="ignore"):  # not finite: refused below
        gain = scale / np.sqrt(variance + cast(float, attribute(node, "epsilon", 1e-5)))
    affine(drafting, node, x, gain, offset - mean * gain)


def arithmetic(drafting: Drafting, node: onnx.NodeProto) -> None:
    """Add, Sub, Mul, Div of a tensor and constants per channel; all but Div of two tensors."""
    constants = [isinstance(drafting.values[name], Const) for name in node.input]
    op = operator(node)
    if any(drafting.holds_integers(name) for name in node.input):
        raise Unsupported("it computes with integers", "dequantise its inputs first")
    if not any(constants):
        if op not in _COMBINATIONS:
            raise Unsupported("the overlay cannot combine two tensors this way", UNKNOWN_REMEDY)
        combine(drafting, node, operands(drafting, node), _COMBINATIONS[op])
        return
    variable = constants.index(False)
    x = drafting.permuted(node, variable)
    if op == "Div" and variable == 1:
        raise unknown(op)
    array = drafting.array(node, 1 - variable)
    assert array is not None
    constant = per_channel(x, array)
    one, zero = np.ones_like(constant), np.zeros_like(constant)
    with np.errstate(divide="ignore"):  # not finite: refused below
        gain, offset = {
            "Add": (one, constant),
            "Sub": (one, -constant) if variable == 0 else (-one, constant),
            "Mul": (constant, zero),
            "Div": (1 / constant if op == "Div" else one, zero),
        }[op]
    affine(drafting, node, x, gain, offset)


def sum_(drafting: Drafting, node: onnx.NodeProto) -> None:
    add(drafting, node, operands(drafting, node))


def operands(drafting: Drafting, node: onnx.NodeProto) -> list[OverlayValue]:
    """All inputs as tensors; as they lie, if they all show all of one alike."""
    indices = range(len(node.input))
    views = [drafting.permuted(node, index) for index in indices]
    if any(one.elements is None or not _alike(one, views[0]) for one in views):
        return [drafting.operand(node, index) for index in indices]
    return views


def _alike(one: OverlayValue, other: OverlayValue) -> bool:
    same = one.tensor.shape == other.tensor.shape
    return same and np.array_equal(one.elements, other.elements)  # type: ignore[arg-type]


def add(
    drafting: Drafting,
    node: onnx.NodeProto,
    operands: list[OverlayValue],
    output: Quantisation | None = None,
) -> OverlayValue:
    """Add a chain of additions; a sum of one tensor is that tensor."""
    first = operands[0]
    if any(x.shape != first.shape or x.tensor.shape != first.tensor.shape for x in operands):
        shapes = ", ".join(str(x.shape) for x in operands)
        raise Unsupported(f"its inputs have different shapes: {shapes}", UNKNOWN_REMEDY)
    total = first.tensor
    for index, x in enumerate(operands[1:], start=1):
        last = index == len(operands) - 1
        suffix = "" if last else f"_{index}"
        inputs = [total, x.tensor]
        result = DraftTensor(node.output[0] + suffix, *first.tensor.shape, output if last else None)
        layer = DraftLayer("add", node_name(node) + suffix, node.op_type, inputs, result)
        layer.partial = not last
        total = drafting.add(layer)
    made = replace(first, tensor=total)
    drafting.set(node, made)
    return made


def extremum(drafting: Drafting, node: onnx.NodeProto) -> None:
    """The greatest or least of tensors, in a chain."""
    if any(drafting.holds_integers(name) for name in node.input):
        raise Unsupported("it computes with integers", "dequantise its inputs first")
    x, *others = operands(drafting, node)
    for left, other in zip(reversed(range(len(others))), others, strict=True):
        x = combine(drafting, node, [x, other], _COMBINATIONS[operator(node)])
        drafting.draft.layers[-1].partial = left > 0
    drafting.set(node, x)


def combine(
    drafting: Drafting,
    node: onnx.NodeProto,
    operands: list[OverlayValue],
    combination: Combination,
    output: Quantisation | None = None,
) -> OverlayValue:
    """Add a function of two tensors: of equal shapes, or of an image and one value for each of its
    channels or of its pixels.  Sums of equal shapes are residuals."""
    one, other = sorted(operands, key=lambda x: math.prod(x.shape), reverse=True)
    if combination == "sum" and one.shape == other.shape:
        return add(drafting, node, operands, output)
    if combination == "difference" and one is not operands[0]:
        combination = "reverse"
    batch, channels, extents = one.shape[:1], one.shape[1:2], one.shape[2:]
    single, point = (1,) * len(channels), (1,) * len(extents)
    gates = (batch + channels + point, batch + single + extents, batch + single + point)
    if other.shape not in (one.shape, *gates):
        shapes = " and ".join(str(x.shape) for x in operands)
        raise Unsupported(
            f"its inputs of shapes {shapes} are neither equal nor an image and gates of its"
            " channels or of its pixels",
            UNKNOWN_REMEDY,
        )
    result = DraftTensor(node.output[0], *one.tensor.shape, output)
    inputs = [one.tensor, other.tensor]
    layer = DraftLayer("combine", node_name(node), node.op_type, inputs, result)
    layer.combination = combination
    made = replace(one, tensor=drafting.add(layer))
    drafting.set(node, made)
    return made


_COMBINATIONS: dict[str, Combination] = {
    "Add": "sum",
    "Max": "maximum",
    "Min": "minimum",
    "Mul": "product",
    "Sub": "difference",
}


def concat(drafting: Drafting, node: onnx.NodeProto) -> None:
    axis = cast(int, attribute(node, "axis", 1))
    operands = [(name, drafting.seen(node, index)) for index, name in enumerate(node.input)]
    join(drafting, node, operands, axis)


def affine(
    drafting: Drafting,
    node: onnx.NodeProto,
    x: OverlayValue,
    gain: Reals,
    offset: Reals,
    output: Quantisation | None = None,
    dtype: np.dtype | None = None,
) -> OverlayValue:
    """Add a gain and an offset per channel; later it joins the convolution before it."""
    channels = x.tensor.channels
    require(
        bool(np.isfinite(gain).all() and np.isfinite(offset).all()),
        "its gains and offsets are not finite",
    )
    result = DraftTensor(node.output[0], *x.tensor.shape, output)
    drafting.add(
        DraftLayer(
            "conv",
            node_name(node),
            node.op_type,
            [x.tensor],
            result,
            groups=channels,
            weight=Coefficients(gain.astype(np.float32).reshape(channels, 1, 1, 1)),
            bias=Coefficients(offset.astype(np.float32)),
            affine=True,
        )
    )
    made = replace(x, tensor=result, dtype=dtype or x.dtype)
    drafting.set(node, made)
    return made


def per_channel(x: OverlayValue, array: npt.NDArray) -> Reals:
    """A constant operand as one value per channel."""
    height, width, channels = x.tensor.shape
    try:
        legal = np.broadcast_shapes(array.shape, x.shape) == x.shape
    except ValueError:
        legal = False
    if not legal:
        raise Unsupported(f"its constant of shape {array.shape} enlarges its input", UNKNOWN_REMEDY)
    if x.elements is not None:  # all of the tensor, in another order
        values = np.empty(height * width * channels, array.dtype)
        values[x.elements] = np.broadcast_to(array, x.shape)
        columns = values.reshape(height * width, channels).T
    elif x.shape[:2] == (1, channels):  # an image as it is: no need to enlarge the constant
        aligned = array.reshape((1,) * (len(x.shape) - array.ndim) + array.shape)
        columns = np.broadcast_to(aligned[0], (channels, *aligned.shape[2:])).reshape(channels, -1)
    else:
        columns = np.broadcast_to(array, x.shape).reshape(channels, height * width)
    if np.any(columns != columns[:, :1]):
        raise Unsupported(
            "its constant differs between pixels", "only constants per channel are supported"
        )
    return columns[:, 0].astype(np.float64)
