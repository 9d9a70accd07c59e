"""Lowering of quantised models: QuantizeLinear/DequantizeLinear pairs and QLinear operators."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx

from dse.network.graph import Quantisation
from dse.onnx.draft import Coefficients
from dse.onnx.drafting import Drafting
from dse.onnx.lower_dense import connect, gemm_weight, matmul_weight
from dse.onnx.lower_join import join
from dse.onnx.lower_pointwise import affine, combine, per_channel
from dse.onnx.lower_pool import global_pool, pool
from dse.onnx.lower_window import convolve, require_weights
from dse.onnx.source import attribute
from dse.onnx.values import Const, HostValue, OverlayValue, Unsupported, quantisation


def quantize_linear(drafting: Drafting, node: onnx.NodeProto) -> None:
    """Round a tensor to its quantisation, or to another one than it has.

    The layer joins the one before it where no one else reads what is not rounded yet.
    """
    x = drafting.seen(node)
    known = drafting.quantisation(node)
    dtype = drafting.known[node.output[0]].dtype
    assert dtype is not None
    if x.tensor.quantisation != known:
        x = drafting.permuted(node)
        x = replace(x, tensor=drafting.rounded(node, x.tensor, known))
    drafting.set(node, replace(x, dtype=dtype))


def dequantize_linear(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = _quantised(drafting, node, 0, drafting.quantisation(node))
    dtype = drafting.known[node.output[0]].dtype
    assert dtype is not None
    drafting.set(node, replace(x, dtype=dtype))


def qlinear_conv(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = _seen(drafting, node, 0)
    dtype = _type(drafting, node, 7, x)
    output = parameters(drafting, node, 6, 7, dtype)
    weight = _weight(drafting, node, 3, 0).coefficients(0)
    convolve(drafting, node, x, weight, _bias(drafting, node, 8, x, weight), output, dtype)


def qlinear_matmul(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = _seen(drafting, node, 0)
    dtype = _type(drafting, node, 7, x)
    output = parameters(drafting, node, 6, 7, dtype)
    weight = matmul_weight(_weight(drafting, node, 3, 1))
    connect(drafting, node, x, weight, None, output, dtype)


def qgemm(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = _seen(drafting, node, 0)
    if len(node.input) < 8 or not node.input[7]:
        raise Unsupported(
            "its output is not quantised", "quantise its output too, so that its scale is known"
        )
    dtype = _type(drafting, node, 8, x)
    output = parameters(drafting, node, 7, 8, dtype)
    axis = 0 if attribute(node, "transB", 0) else 1
    weight = gemm_weight(node, _weight(drafting, node, 3, axis))
    bias = _bias(drafting, node, 6, x, weight)
    alpha = np.full(weight.values.shape[0], cast(float, attribute(node, "alpha", 1.0)))
    bias = None if bias is None else bias.scaled(alpha)
    connect(drafting, node, x, weight.scaled(alpha), bias, output, dtype)


def qlinear_add(drafting: Drafting, node: onnx.NodeProto) -> None:
    operands, constant, output, dtype = _pair(drafting, node)
    if constant is None:
        combine(drafting, node, operands, "sum", output)
        return
    affine(drafting, node, operands[0], np.ones_like(constant), constant, output, dtype)


def qlinear_mul(drafting: Drafting, node: onnx.NodeProto) -> None:
    operands, constant, output, dtype = _pair(drafting, node)
    if constant is None:
        combine(drafting, node, operands, "product", output)
        return
    affine(drafting, node, operands[0], constant, np.zeros_like(constant), output, dtype)


def _pair(
    drafting: Drafting, node: onnx.NodeProto
) -> tuple[list[OverlayValue], npt.NDArray | None, Quantisation, np.dtype]:
    """The tensors that a function of two reads, its constant by channel if one is, its output."""
    constant = [isinstance(drafting.values[node.input[index]], Const) for index in (0, 3)]
    operands = [_operand(drafting, node, i) for i, c in zip((0, 3), constant, strict=True) if not c]
    x = operands[0]
    dtype = _type(drafting, node, 7, x)
    output = parameters(drafting, node, 6, 7, dtype)
    if not any(constant):
        return operands, None, output, dtype
    real = per_channel(x, _weight(drafting, node, 0 if constant[0] else 3, 0).real())
    return operands, real, output, dtype


def qlinear_concat(drafting: Drafting, node: onnx.NodeProto) -> None:
    operands = [
        (node.input[index], _seen(drafting, node, index)) for index in range(2, len(node.input), 3)
    ]
    output = parameters(drafting, node, 0, 1, _type(drafting, node, 1, operands[0][1]))
    join(drafting, node, operands, cast(int, attribute(node, "axis", 1)), output)


def qlinear_average_pool(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = _operand(drafting, node, 0)
    output = parameters(drafting, node, 3, 4, _type(drafting, node, 4, x))
    pool(drafting, node, "average", x, output)


def qlinear_global_average_pool(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = _operand(drafting, node, 0)
    output = parameters(drafting, node, 3, 4, _type(drafting, node, 4, x))
    global_pool(drafting, node, "average", x, output)


def _type(drafting: Drafting, node: onnx.NodeProto, zero_point: int, x: OverlayValue) -> np.dtype:
    """The type of what a node writes: its zero point's, or else its input's."""
    zero = drafting.array(node, zero_point)
    return x.dtype if zero is None else zero.dtype


def check_conv(drafting: Drafting, node: onnx.NodeProto) -> None:
    require_weights(_weight(drafting, node, 3, 0).coefficients(0))


def check_gemm(drafting: Drafting, node: onnx.NodeProto) -> None:
    axis = 0 if attribute(node, "transB", 0) else 1
    require_weights(gemm_weight(node, _weight(drafting, node, 3, axis)))


def check_matmul(drafting: Drafting, node: onnx.NodeProto) -> None:
    require_weights(matmul_weight(_weight(drafting, node, 3, 1)))


def parameters(
    drafting: Drafting, node: onnx.NodeProto, scale: int, zero_point: int, dtype: np.dtype
) -> Quantisation:
    """The quantisation of integers of a type that two inputs of a node hold."""
    scales = drafting.array(node, scale)
    assert scales is not None
    return quantisation(scales, drafting.array(node, zero_point), dtype)


def _operand(drafting: Drafting, node: onnx.NodeProto, index: int) -> OverlayValue:
    """A quantised tensor followed by its scale and zero point; a view made into a tensor."""
    x = _seen(drafting, node, index)
    return x if x.elements is None else drafting.gathered(node.input[index], x)


def _seen(drafting: Drafting, node: onnx.NodeProto, index: int) -> OverlayValue:
    """A quantised value as it is, followed by its scale and zero point."""
    dtype = drafting.known[node.input[index]].dtype
    assert dtype is not None
    known = parameters(drafting, node, index + 1, index + 2, dtype)
    return _quantised(drafting, node, index, known)


def _quantised(
    drafting: Drafting, node: onnx.NodeProto, index: int, known: Quantisation
) -> OverlayValue:
    value = drafting.values[node.input[index]]
    x = drafting.enter(value, known) if isinstance(value, HostValue) else drafting.seen(node, index)
    if x.tensor.quantisation is None:
        x.tensor.quantisation = known
    if x.tensor.quantisation != known:
        raise Unsupported(
            f"it reads {node.input[index]!r} with another scale than it was written with",
            "quantise the model again",
        )
    return x


def _weight(drafting: Drafting, node: onnx.NodeProto, index: int, axis: int) -> Const:
    """Constant integers followed by their scale and zero point."""
    values, scale, zero = (drafting.array(node, index + offset) for offset in range(3))
    assert values is not None and scale is not None
    return Const(values, scale.astype(np.float64), zero, axis)


def _bias(
    drafting: Drafting, node: onnx.NodeProto, index: int, x: OverlayValue, weight: Coefficients
) -> Coefficients | None:
    """An int32 bias in units of input scale times weight scale."""
    array = drafting.array(node, index)
    if array is None:
        return None
    assert x.tensor.quantisation is not None and weight.scale is not None
    values = np.broadcast_to(array.reshape(-1), weight.scale.shape)
    return Coefficients(values.astype(np.int64), x.tensor.quantisation.scale * weight.scale)
