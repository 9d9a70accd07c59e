"""Lowering of quantised models: QuantizeLinear/DequantizeLinear pairs and QLinear operators."""

from __future__ import annotations

from typing import cast

import numpy as np
import onnx

from dse.network.draft import Coefficients, DraftTensor, Layer
from dse.network.graph import Quantisation
from dse.network.lower_dense import connect, gemm_weight, matmul_weight
from dse.network.lower_pointwise import add, affine, join, per_channel
from dse.network.lower_window import convolve, global_pool, pool, require_weights
from dse.network.lowering import Lowering
from dse.network.source import attribute, node_name
from dse.network.values import Const, HostValue, Unsupported, View, quantisation


def quantize_linear(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Give the tensor its quantisation, or requantise a tensor that has one already."""
    x = lowering.operand(node)
    known, dtype = parameters(lowering, node, 1, 2)
    tensor = x.tensor
    if tensor.quantisation is None:
        tensor.quantisation = known
    elif tensor.quantisation != known:
        result = DraftTensor(node.output[0], *tensor.shape, known)
        tensor = lowering.add(Layer("max", node_name(node), node.op_type, [tensor], result))
    lowering.set(node, View(tensor, x.shape, dtype))


def dequantize_linear(lowering: Lowering, node: onnx.NodeProto) -> None:
    known, _ = parameters(lowering, node, 1, 2)
    x = _quantised(lowering, node, 0, known)
    scale = lowering.array(node, 1)
    assert scale is not None
    lowering.set(node, View(x.tensor, x.shape, scale.dtype))


def qlinear_conv(lowering: Lowering, node: onnx.NodeProto) -> None:
    x = _operand(lowering, node, 0)
    output, dtype = parameters(lowering, node, 6, 7)
    weight = _weight(lowering, node, 3, 0).coefficients(0)
    convolve(lowering, node, x, weight, _bias(lowering, node, 8, x, weight), output, dtype)


def qlinear_matmul(lowering: Lowering, node: onnx.NodeProto) -> None:
    x = _operand(lowering, node, 0)
    output, dtype = parameters(lowering, node, 6, 7)
    weight = matmul_weight(_weight(lowering, node, 3, 1))
    connect(lowering, node, x, weight, None, output, dtype)


def qgemm(lowering: Lowering, node: onnx.NodeProto) -> None:
    x = _operand(lowering, node, 0)
    if len(node.input) < 8 or not node.input[7]:
        raise Unsupported(
            "its output is not quantised", "quantise its output too, so that its scale is known"
        )
    output, dtype = parameters(lowering, node, 7, 8)
    axis = 0 if attribute(node, "transB", 0) else 1
    weight = gemm_weight(node, _weight(lowering, node, 3, axis))
    bias = _bias(lowering, node, 6, x, weight)
    alpha = np.full(weight.values.shape[0], cast(float, attribute(node, "alpha", 1.0)))
    bias = None if bias is None else bias.scaled(alpha)
    connect(lowering, node, x, weight.scaled(alpha), bias, output, dtype)


def qlinear_add(lowering: Lowering, node: onnx.NodeProto) -> None:
    output, dtype = parameters(lowering, node, 6, 7)
    constant = [isinstance(lowering.values[node.input[index]], Const) for index in (0, 3)]
    if not any(constant):
        operands = [_operand(lowering, node, index) for index in (0, 3)]
        add(lowering, node, operands, output)
        result = lowering.values[node.output[0]]
        assert isinstance(result, View)
        lowering.set(node, View(result.tensor, result.shape, dtype))
        return
    x = _operand(lowering, node, 3 if constant[0] else 0)
    offset = per_channel(x, _weight(lowering, node, 0 if constant[0] else 3, 0).real())
    affine(lowering, node, x, np.ones_like(offset), offset, output, dtype)


def qlinear_concat(lowering: Lowering, node: onnx.NodeProto) -> None:
    output, _ = parameters(lowering, node, 0, 1)
    operands = [_operand(lowering, node, index) for index in range(2, len(node.input), 3)]
    join(lowering, node, operands, cast(int, attribute(node, "axis", 1)), output)


def qlinear_average_pool(lowering: Lowering, node: onnx.NodeProto) -> None:
    output, _ = parameters(lowering, node, 3, 4)
    pool(lowering, node, "average", _operand(lowering, node, 0), output)


def qlinear_global_average_pool(lowering: Lowering, node: onnx.NodeProto) -> None:
    output, _ = parameters(lowering, node, 3, 4)
    global_pool(lowering, node, "average", _operand(lowering, node, 0), output)


def check_conv(lowering: Lowering, node: onnx.NodeProto) -> None:
    require_weights(_weight(lowering, node, 3, 0).coefficients(0))


def check_gemm(lowering: Lowering, node: onnx.NodeProto) -> None:
    axis = 0 if attribute(node, "transB", 0) else 1
    require_weights(gemm_weight(node, _weight(lowering, node, 3, axis)))


def check_matmul(lowering: Lowering, node: onnx.NodeProto) -> None:
    require_weights(matmul_weight(_weight(lowering, node, 3, 1)))


def parameters(
    lowering: Lowering, node: onnx.NodeProto, scale: int, zero_point: int
) -> tuple[Quantisation, np.dtype]:
    """The quantisation and type that two inputs of a node hold."""
    scales = lowering.array(node, scale)
    assert scales is not None
    return quantisation(scales, lowering.array(node, zero_point))


def _operand(lowering: Lowering, node: onnx.NodeProto, index: int) -> View:
    """A quantised tensor followed by its scale and zero point."""
    known, _ = parameters(lowering, node, index + 1, index + 2)
    return _quantised(lowering, node, index, known)


def _quantised(lowering: Lowering, node: onnx.NodeProto, index: int, known: Quantisation) -> View:
    value = lowering.values[node.input[index]]
    x = (
        lowering.enter(value, known)
        if isinstance(value, HostValue)
        else lowering.operand(node, index)
    )
    if x.tensor.quantisation is None:
        x.tensor.quantisation = known
    if x.tensor.quantisation != known:
        raise Unsupported(
            f"it reads {node.input[index]!r} with another scale than it was written with",
            "quantise the model again",
        )
    return x


def _weight(lowering: Lowering, node: onnx.NodeProto, index: int, axis: int) -> Const:
    """Constant integers followed by their scale and zero point."""
    values, scale, zero = (lowering.array(node, index + offset) for offset in range(3))
    assert values is not None and scale is not None
    return Const(values, scale.astype(np.float64), zero, axis)


def _bias(
    lowering: Lowering, node: onnx.NodeProto, index: int, x: View, weight: Coefficients
) -> Coefficients | None:
    """An int32 bias in units of input scale times weight scale."""
    array = lowering.array(node, index)
    if array is None:
        return None
    assert x.tensor.quantisation is not None and weight.scale is not None
    values = np.broadcast_to(array.reshape(-1), weight.scale.shape)
    return Coefficients(values.astype(np.int64), x.tensor.quantisation.scale * weight.scale)
