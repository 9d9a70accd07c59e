"""Lowering of convolutions, and what all operators with a sliding window share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import onnx

from dse.network.graph import Quantisation, Window
from dse.onnx.draft import Coefficients, DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.elements import plain
from dse.onnx.gather import Gatherer
from dse.onnx.permute import as_they_lie, permuted
from dse.onnx.source import attribute, node_name
from dse.onnx.values import REQUANTISE_WEIGHTS, Illegal, OverlayValue, Unsupported, extents, require

WIDEST = 255
"""The largest weight, around its zero point, of uint8 and int8 ones."""


def conv(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    bias = drafting.constant(node, 2)
    assert weight is not None
    convolve(
        drafting,
        node,
        drafting.seen(node),
        weight.coefficients(0),
        None if bias is None else bias.coefficients(0),
    )


def check_weights(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    assert weight is not None
    require_weights(weight.coefficients(0))


def convolve(
    drafting: Drafting,
    node: onnx.NodeProto,
    x: OverlayValue,
    weight: Coefficients,
    bias: Coefficients | None,
    output: Quantisation | None = None,
    dtype: np.dtype | None = None,
) -> None:
    """Add a convolution layer; ``weight`` in ONNX order [Cout, Cin / groups, Ky, Kx].

    Channels of a view are read as they lie: the weights take their order.
    """
    order = None
    if x.elements is not None:
        x, order = as_they_lie(drafting, node, x)
    x = spatial(drafting, node, x)
    axes = len(x.shape) - 2
    if weight.values.ndim != axes + 2:
        raise Unsupported(
            f"its weights have shape {weight.values.shape}",
            "only convolutions along one or two axes are supported",
        )
    require_weights(weight)
    _require_fit(node, x.tensor.channels, weight, bias)
    groups = cast(int, attribute(node, "group", 1))
    filters = None
    if order is not None:
        weight, bias, filters = permuted(weight, bias, order, groups)
    kernel = weight.values.shape[2:]
    window, size = window_of(node, x.tensor, kernel)
    values = weight.values.reshape(*weight.values.shape[:2], *window.kernel)
    result = DraftTensor(node.output[0], *size, weight.values.shape[0], output)
    drafting.add(
        DraftLayer(
            "conv",
            node_name(node),
            node.op_type,
            [x.tensor],
            result,
            window,
            groups=groups,
            weight=Coefficients(values.transpose(0, 2, 3, 1), weight.scale),
            bias=bias,
        )
    )
    show(drafting, node, result, dtype or x.dtype, axes)
    if filters is not None:
        shown = drafting.values[node.output[0]]
        assert isinstance(shown, OverlayValue)
        elements = plain(result.shape, shown.shape)[:, filters]
        drafting.set(node, replace(shown, elements=elements))


def _require_fit(
    node: onnx.NodeProto, channels: int, weight: Coefficients, bias: Coefficients | None
) -> None:
    """Weights, bias, groups and channels must belong together: onnx's own rules leave that open."""
    groups = cast(int, attribute(node, "group", 1))
    cout, cin, *kernel = weight.values.shape
    require(
        groups > 0 and cin * groups == channels,
        f"its weights are for {cin} channels in each of {groups} groups, its input has {channels}",
    )
    require(cout % groups == 0, f"its {cout} filters do not divide into {groups} groups")
    require(
        bias is None or bias.values.shape == (cout,),
        f"its bias does not have one value for each of {cout} filters",
    )
    require(
        attribute(node, "kernel_shape", kernel) == kernel,
        f"its kernel_shape is not that of its weights, {kernel}",
    )


def show(
    drafting: Drafting, node: onnx.NodeProto, tensor: DraftTensor, dtype: np.dtype, axes: int = 2
) -> None:
    """Record an image as the node's output; with one axis, its only row."""
    shape = (1, tensor.channels, *(tensor.height, tensor.width)[2 - axes :])
    drafting.set(node, OverlayValue(tensor, shape, dtype))


def spatial(drafting: Drafting, node: onnx.NodeProto, x: OverlayValue) -> OverlayValue:
    """The operand as an image (1, C, H, W), reshaped where bytes stay in place, else moved.

    A signal (1, C, W) is an image of one row.
    """
    tensor = x.tensor
    if len(x.shape) not in (3, 4) or x.shape[0] != 1:
        raise Unsupported(
            f"its input has shape {x.shape}",
            "only images of shape (1, C, H, W) and signals of shape (1, C, W) are supported",
        )
    height, width, channels = extents(x.shape)
    if tensor.shape == (height, width, channels):
        return x
    bytes_stay = channels == tensor.channels or (
        1 in (tensor.channels, tensor.height * tensor.width) and 1 in (channels, height * width)
    )
    if not bytes_stay:
        made = Gatherer(drafting.add, node_name(node), node.op_type).whole(x)
        return OverlayValue(made, x.shape, x.dtype)
    result = DraftTensor(f"{tensor.name}_reshaped", height, width, channels, tensor.quantisation)
    layer = DraftLayer("reshape", result.name, "Reshape", [tensor], result, integers=x.is_quantised)
    drafting.add(layer)
    return OverlayValue(result, x.shape, x.dtype)


def require_weights(weight: Coefficients) -> None:
    """Weights must be finite; quantised ones at most as wide as uint8 around a zero point."""
    values = weight.values
    if not (np.isfinite(values.min(initial=0)) and np.isfinite(values.max(initial=0))):
        raise Illegal("its weights are not finite", "train or export the model again")
    if weight.scale is None:
        return
    if not np.all(np.isfinite(weight.scale)) or np.any(weight.scale < 0):
        raise Illegal("a scale of its weights is not positive", REQUANTISE_WEIGHTS)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < -WIDEST or high > WIDEST:
        raise Unsupported(
            f"its weights reach from {low} to {high} around their zero point, beyond {WIDEST}",
            REQUANTISE_WEIGHTS,
        )


def window_of(
    node: onnx.NodeProto, x: DraftTensor, extent: Sequence[int]
) -> tuple[Window, tuple[int, int]]:
    """The window of a node and its output size; one along a single axis slides along the columns.

    ``extent``: of its kernel, along each of the node's axes.
    """
    axes = len(extent)
    kernel = _both(extent)
    stride, dilation = (_pair(node, name, axes) for name in ("strides", "dilations"))
    size = x.height, x.width
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads = _padding(node, size, reach, stride, axes)
    ceil = bool(attribute(node, "ceil_mode", 0))
    window = Window(kernel, stride, dilation, pads)
    outputs = []
    for axis in range(2):
        span = size[axis] + pads[axis] + pads[axis + 2] - reach[axis]
        count = (math.ceil if ceil else math.floor)(span / stride[axis]) + 1
        if ceil and (count - 1) * stride[axis] >= size[axis] + pads[axis]:
            count -= 1
        outputs.append(count)
    padded = (size[0] + pads[0] + pads[2], size[1] + pads[1] + pads[3])
    if min(outputs) < 1 or reach[0] > padded[0] or reach[1] > padded[1]:
        raise Illegal(
            f"its window of {kernel} does not fit into {size}", "use a larger image or padding"
        )
    return window, (outputs[0], outputs[1])


def _padding(
    node: onnx.NodeProto,
    size: tuple[int, int],
    reach: list[int],
    stride: tuple[int, int],
    axes: int,
) -> tuple[int, int, int, int]:
    mode = attribute(node, "auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = cast(list[int], attribute(node, "pads", [0] * 2 * axes))
        if len(pads) != 2 * axes or min(pads) < 0:
            raise Illegal(f"its padding is {pads}", "crop the image before it instead")
        return (*_both(pads[:axes], 0), *_both(pads[axes:], 0))
    if mode == "VALID":
        return 0, 0, 0, 0
    before, after = [], []
    for n, k, s in zip(size, reach, stride, strict=True):
        total = max((math.ceil(n / s) - 1) * s + k - n, 0)
        small, large = total // 2, total - total // 2
        before.append(large if mode == "SAME_LOWER" else small)
        after.append(small if mode == "SAME_LOWER" else large)
    return before[0], before[1], after[0], after[1]


def _pair(node: onnx.NodeProto, name: str, axes: int) -> tuple[int, int]:
    values = cast(list[int], attribute(node, name, [1] * axes))
    require(len(values) == axes, f"its {name} are {values}, for {axes} axes")
    return _both(values)


def _both(values: Sequence[int], rows: int = 1) -> tuple[int, int]:
    """One value for each axis of an image; ``rows``: of the only row of a signal."""
    return (rows, values[0]) if len(values) == 1 else (values[0], values[1])
