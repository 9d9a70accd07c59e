"""Lowering of fully connected layers: convolutions whose kernel is the whole image, or a pixel."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import onnx

from dse.network.graph import Quantisation, Window
from dse.onnx.arrange import Arranger
from dse.onnx.draft import Coefficients, DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.elements import Positions, plain
from dse.onnx.lower_window import require_weights
from dse.onnx.source import attribute, node_name
from dse.onnx.values import Const, OverlayValue, Unmovable, Unsupported, require


def gemm(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    assert weight is not None
    if len(node.input) > 2 and node.input[2]:
        shape = drafting.known[node.input[2]].shape
        require(shape is None or len(shape) <= 2, f"its bias of shape {shape} has no place")
    bias = drafting.constant(node, 2)
    alpha = cast(float, attribute(node, "alpha", 1.0))
    beta = cast(float, attribute(node, "beta", 1.0))
    coefficients = gemm_weight(node, weight)
    outputs = coefficients.values.shape[0]
    offset = None if bias is None else gemm_bias(bias, outputs, beta)
    scaled = coefficients.scaled(np.full(outputs, alpha)) if alpha != 1 else coefficients
    connect(drafting, node, drafting.seen(node), scaled, offset)


def matmul(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    assert weight is not None
    known = drafting.known[node.input[0]].shape or ()
    x = drafting.in_order(node) if len(known) > 2 else drafting.seen(node)
    connect(drafting, node, x, matmul_weight(weight), None)


def check_gemm(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    assert weight is not None
    require_weights(gemm_weight(node, weight))


def check_matmul(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    assert weight is not None
    require_weights(matmul_weight(weight))


def gemm_weight(node: onnx.NodeProto, weight: Const) -> Coefficients:
    """The weights [Cout, K] of a Gemm."""
    if attribute(node, "transA", 0):
        raise Unsupported("its input is transposed", "transpose the weights instead")
    return weight.coefficients(0 if attribute(node, "transB", 0) else 1)


def matmul_weight(weight: Const) -> Coefficients:
    """The weights [Cout, K] of a MatMul."""
    if weight.array.ndim != 2:
        raise Unsupported(
            f"its weights have shape {weight.array.shape}", "only matrices are supported"
        )
    return weight.coefficients(1)


def gemm_bias(bias: Const, outputs: int, beta: float) -> Coefficients:
    """The bias [Cout] of a Gemm, which may be broadcast."""
    require(
        bias.array.shape in ((), (1,), (1, 1), (outputs,), (1, outputs)),
        f"its bias of shape {bias.array.shape} does not fit {outputs} outputs",
    )
    if bias.scale is not None and beta == 1 and bias.array.size == outputs:
        return Const(bias.array.reshape(-1), bias.scale, bias.zero_point, 0).coefficients(0)
    values = np.broadcast_to(bias.real().reshape(-1), (outputs,))
    return Coefficients((values * beta).astype(np.float64))


def connect(
    drafting: Drafting,
    node: onnx.NodeProto,
    x: OverlayValue,
    weight: Coefficients,
    bias: Coefficients | None,
    output: Quantisation | None = None,
    dtype: np.dtype | None = None,
) -> None:
    """Add a fully connected layer; ``weight`` [Cout, K] with K in the order of the vector x.

    Values that x does not show have weights of zero.  Many vectors, side by side, are pixels.
    """
    shown = plain(x.tensor.shape, x.shape) if x.elements is None else x.elements
    if weight.values.shape[1:] != x.shape[-1:]:
        raise Unsupported(
            f"it multiplies {x.shape} by weights for {weight.values.shape[1:]} values",
            "flatten the image before it",
        )
    require_weights(weight)
    if x.shape[-1] < shown.size:
        _connect_pixels(drafting, node, x, shown, weight, bias, output, dtype)
        return
    height, width, channels = x.tensor.shape
    outputs = weight.values.shape[0]
    if len(np.unique(shown)) < shown.size:
        raise Unsupported("it reads some values twice", "join the weights of equal values")
    column = np.full(height * width * channels, shown.size)
    column[shown.reshape(-1)] = np.arange(shown.size)
    values = weight.values
    if shown.size < column.size:
        values = np.pad(values, ((0, 0), (0, 1)))  # the column of what x does not show
    kernel = np.take(values, column, axis=1).reshape(outputs, height, width, channels)
    result = DraftTensor(node.output[0], 1, 1, outputs, output)
    drafting.add(
        DraftLayer(
            "conv",
            node_name(node),
            node.op_type,
            [x.tensor],
            result,
            Window(kernel=(height, width)),
            weight=Coefficients(kernel, weight.scale),
            bias=bias,
        )
    )
    drafting.set(node, OverlayValue(result, (*x.shape[:-1], outputs), dtype or x.dtype))


def _connect_pixels(
    drafting: Drafting,
    node: onnx.NodeProto,
    x: OverlayValue,
    shown: Positions,
    weight: Coefficients,
    bias: Coefficients | None,
    output: Quantisation | None,
    dtype: np.dtype | None,
) -> None:
    """Each vector is a pixel: as NHWC has them, its values lie side by side."""
    if not np.array_equal(shown.reshape(-1), np.arange(math.prod(x.tensor.shape))):
        raise Unmovable(x.shape)
    outputs, inputs = weight.values.shape
    rows, columns = x.shape[1], shown.size // inputs // x.shape[1]
    if len(x.shape) == 3:
        rows, columns = 1, rows
    arrange = Arranger(drafting.add, node_name(node), node.op_type, x.is_quantised)
    pixels = arrange.reshaped(x.tensor, (rows, columns, inputs))
    result = DraftTensor(node.output[0], rows, columns, outputs, output)
    layer = DraftLayer("conv", node_name(node), node.op_type, [pixels], result, bias=bias)
    layer.weight = Coefficients(weight.values.reshape(outputs, 1, 1, inputs), weight.scale)
    shape = (*x.shape[:-1], outputs)
    elements = np.arange(rows * columns * outputs, dtype=np.int32).reshape(shape)
    drafting.set(node, OverlayValue(drafting.add(layer), shape, dtype or x.dtype, elements))
