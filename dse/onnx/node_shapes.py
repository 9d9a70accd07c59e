"""Shapes and types of what a node makes, from those of what it reads, by onnx's own rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from dse.onnx.source import (
    IR_VERSION,
    MALFORMED,
    MAX_ELEMENTS,
    Known,
    attribute,
    first_line,
    known_type,
    node_inputs,
)
from dse.onnx.trial import knows
from dse.onnx.values import FLOAT, INCONSISTENT, Const, Illegal, Unsupported

_OWN = "com.microsoft"
_TWIN_OPSET = 13
_SMALL = 1024
"""Elements of a constant whose values may matter for a shape."""


Opsets = Sequence[onnx.OperatorSetIdProto]


class Misfit(Illegal):
    """A node whose inputs do not fit it, by onnx's rules."""


def known_constant(const: Const) -> Known:
    """What is known of a constant; its values only where they are as they stand."""
    return Known(const.array.shape, const.dtype, const.array if const.scale is None else None)


def infer(
    node: onnx.NodeProto,
    operands: Mapping[str, Known],
    opsets: Opsets,
    limit: float = MAX_ELEMENTS,
) -> dict[str, Known]:
    """What is known of a node's outputs; Unsupported if the operands do not fit the node.

    No tensor may have more than ``limit`` elements: that is known before anything is computed.
    """
    if any(known.dtype is None for known in operands.values()):
        return {}
    own = node.domain == _OWN
    if own and node.op_type not in _TWINS and not knows(node):
        raise Misfit("onnxruntime has no such operator", INCONSISTENT)
    twin = _twin(node) if own or node.op_type in _WITHOUT_SHAPES else None
    real = twin is not None and node.op_type == "QGemm" and not any(node.input[7:])
    if own and twin is not None:
        _own_rules(node, {name: operands[name] for name in node_inputs(node) if name in operands})
    if twin is not None:
        node, opsets = twin, [helper.make_opsetid("", _TWIN_OPSET)]
    elif own:
        return {}
    read = {name: operands[name] for name in node_inputs(node) if name in operands}
    _fits(node, [read.get(name) for name in node.input])
    made = _inferred(node, read, opsets, twin is not None)
    if real:
        made = {name: replace(known, dtype=FLOAT) for name, known in made.items()}
    for known in made.values():
        if known.shape is not None and min(known.shape, default=0) < 0:
            reason = f"it does not fit its input: its output would have the shape {known.shape}"
            raise Misfit(reason, INCONSISTENT)
        if known.shape is not None and math.prod(known.shape) > limit:
            raise Unsupported(
                f"it makes a tensor of {known.shape}, more than {limit:,} elements",
                "export the model for smaller images",
            )
    return made


_WINDOWED = frozenset(
    f"{scope}{kind}Pool" for scope in ("", "Global") for kind in ("Average", "Max", "Lp")
) | {"Conv", "ConvInteger", "QLinearConv", "ConvTranspose"}


def _fits(node: onnx.NodeProto, operands: Sequence[Known | None]) -> None:
    """What onnxruntime demands of operands, and onnx's inference does not ask."""
    shapes = [None if known is None else known.shape for known in operands]
    reason = ""
    if node.op_type in _WINDOWED:
        reason = _window_misfit(node, shapes)
    elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        reason = _axis_misfit(node, shapes)
    elif node.op_type == "Reshape":
        reason = _reshape_misfit(node, operands)
    elif node.op_type == "Gemm":
        reason = _bias_misfit(node, shapes)
    if reason:
        raise Misfit(f"its inputs do not fit: {reason}", INCONSISTENT)


def _window_misfit(node: onnx.NodeProto, shapes: Sequence[tuple[int, ...] | None]) -> str:
    image = shapes[0] if shapes else None
    if image is None:
        return ""
    if len(image) < 3:
        return f"its input of shape {image} has no image"
    if 0 in image[1:]:
        return f"its input of shape {image} is empty"
    if "Pool" in node.op_type:
        return ""
    place, bias_place = (3, 8) if node.op_type == "QLinearConv" else (1, 2)
    weight = shapes[place] if len(shapes) > place else None
    if weight is None or len(weight) != len(image):
        return ""
    groups = attribute(node, "group", 1)
    transposed = node.op_type == "ConvTranspose"
    channels = weight[0] if transposed else weight[1] * groups
    outputs = weight[1] * groups if transposed else weight[0]
    if channels != image[1]:
        return (
            f"its weights are for {channels // groups} channels in each of {groups} groups,"
            f" its input has {image[1]}"
        )
    bias = shapes[bias_place] if len(shapes) > bias_place else None
    if bias is not None and bias != (outputs,) and node.op_type != "ConvInteger":
        return f"a bias of shape {bias} for {outputs} channels"
    return ""


def _axis_misfit(node: onnx.NodeProto, shapes: Sequence[tuple[int, ...] | None]) -> str:
    image, scale = shapes[0], shapes[1]
    if image is None or scale is None or math.prod(scale) == 1:
        return ""
    if len(scale) != 1:
        return "" if attribute(node, "block_size", 0) else f"scales of shape {scale}"
    axis = attribute(node, "axis", 1)
    if not -len(image) <= axis < len(image) or scale[0] != image[axis]:
        return f"{scale[0]} scales along axis {axis} of {image}"
    return ""


def _bias_misfit(node: onnx.NodeProto, shapes: Sequence[tuple[int, ...] | None]) -> str:
    weight, bias = shapes[1], shapes[2] if len(shapes) > 2 else None
    if weight is None or bias is None or len(weight) != 2:
        return ""
    outputs = weight[0] if attribute(node, "transB", 0) else weight[1]
    fits = len(bias) <= 2 and (not bias or bias[-1] in (1, outputs))
    return "" if fits else f"a bias of shape {bias} for {outputs} channels"


def _reshape_misfit(node: onnx.NodeProto, operands: Sequence[Known | None]) -> str:
    data, sizes = operands[0], operands[1] if len(operands) > 1 else None
    if data is None or data.shape is None or sizes is None or sizes.array is None:
        return ""
    wanted = [int(size) for size in sizes.array.reshape(-1)]
    if not attribute(node, "allowzero", 0):
        ranks = range(len(data.shape))
        wanted = [
            data.shape[place] if size == 0 and place in ranks else size
            for place, size in enumerate(wanted)
        ]
    known, total = math.prod(size for size in wanted if size >= 0), math.prod(data.shape)
    fits = total == known if -1 not in wanted else known > 0 and total % known == 0
    return "" if fits else f"{data.shape} has {total} values, not those of {wanted}"


_MEANT = ("registered", "data type does not match", "is marked single")
"""What this onnxruntime lacks, though the meaning is clear: int8 beside uint8, no zero point."""


def _own_rules(node: onnx.NodeProto, operands: Mapping[str, Known]) -> None:
    """What onnxruntime's own inference says against a node of its own domain.

    It wants scales without axes; one number along an axis means the same.
    """
    operands = {
        name: replace(known, shape=()) if known.shape == (1,) else known
        for name, known in operands.items()
    }
    graph = helper.make_graph(
        [node],
        "node",
        [_value(name, known) for name, known in operands.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output if name],
    )
    opsets = [helper.make_opsetid(_OWN, 1), helper.make_opsetid("", _TWIN_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = IR_VERSION
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a class of its own for each kind of failure
        reason = first_line(error)
        if any(word in reason for word in _MEANT):
            return
        if "InferenceError" in reason or "INVALID_GRAPH" in reason:
            reason = reason.rsplit("] ", 1)[-1].rsplit(" , Error ", 1)[-1]
            raise Misfit(f"its inputs do not fit: {reason}", INCONSISTENT) from None


def _inferred(
    node: onnx.NodeProto, operands: Mapping[str, Known], opsets: Opsets, twin: bool
) -> dict[str, Known]:
    arrays = {name: known.array for name, known in operands.items() if _matters(known)}
    graph = helper.make_graph(
        [node],
        "node",
        [_value(name, known) for name, known in operands.items() if name not in arrays],
        [helper.make_empty_tensor_value_info(name) for name in node.output if name],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = IR_VERSION
    try:
        inferred = onnx.shape_inference.infer_shapes(
            model, check_type=not twin, strict_mode=True, data_prop=True
        )
    except (onnx.shape_inference.InferenceError, *MALFORMED) as error:
        reason = first_line(error).rsplit("] ", 1)[-1]
        raise Misfit(f"its inputs do not fit: {reason}", INCONSISTENT) from None
    return {value.name: known_type(value.type) for value in inferred.graph.output}


def _matters(known: Known) -> bool:
    """Whether a constant's values may decide on a shape: they are few integers, or scales."""
    return known.array is not None and known.array.size <= _SMALL


def _value(name: str, known: Known) -> onnx.ValueInfoProto:
    assert known.dtype is not None
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(known.dtype), known.shape
    )


def _same(node: onnx.NodeProto, op: str, inputs: Sequence[int], *kept: str) -> onnx.NodeProto:
    """The operator ``op`` on some of the node's inputs, with those of its attributes it knows."""
    names = [node.input[index] for index in inputs if index < len(node.input)]
    twin = helper.make_node(op, names, list(node.output[:1]))
    twin.attribute.extend(found for found in node.attribute if found.name in kept)
    return twin


_WINDOW = ("auto_pad", "ceil_mode", "dilations", "group", "kernel_shape", "pads", "strides")
_Twin = Callable[[onnx.NodeProto], onnx.NodeProto]


def _unary(node: onnx.NodeProto) -> onnx.NodeProto:
    return _same(node, "Identity", [0])


_TWINS: dict[str, _Twin] = {
    "BiasGelu": _unary,
    "DequantizeLinear": lambda node: _same(node, "DequantizeLinear", [0, 1, 2], "axis"),
    "FastGelu": _unary,
    "FusedConv": lambda node: _same(node, "Conv", [0, 1, 2], *_WINDOW),
    "FusedGemm": lambda node: _same(node, "Gemm", [0, 1, 2], "transA", "transB"),
    "Gelu": _unary,
    "GroupNormalization": _unary,
    "MeanVarianceNormalization": _unary,
    "QGemm": lambda node: _same(node, "Gemm", [0, 3], "transA", "transB"),
    "QLinearAdd": lambda node: _same(node, "Add", [0, 3]),
    "QLinearAveragePool": lambda node: _same(node, "AveragePool", [0], *_WINDOW),
    "QLinearConcat": lambda node: _same(node, "Concat", range(2, len(node.input), 3), "axis"),
    "QLinearConv": lambda node: _same(node, "QLinearConv", range(len(node.input)), *_WINDOW),
    "QLinearGlobalAveragePool": lambda node: _same(node, "GlobalAveragePool", [0]),
    "QLinearLeakyRelu": _unary,
    "QLinearMul": lambda node: _same(node, "Mul", [0, 3]),
    "QLinearReduceMean": lambda node: _same(node, "ReduceMean", [0], "axes", "keepdims"),
    "QLinearSigmoid": _unary,
    "QLinearSoftmax": _unary,
    "QLinearWhere": lambda node: _same(node, "Where", [0, 1, 4]),
    "QuantizeLinear": lambda node: _same(node, "QuantizeLinear", [0, 1, 2], "axis"),
    "QuickGelu": _unary,
}
"""ONNX's operators with the shapes of those for which onnx has no rules: ONNX Runtime's own."""

_WITHOUT_SHAPES = ("GroupNormalization", "MeanVarianceNormalization")
"""Functions of ONNX itself that its inference does not follow."""


def _twin(node: onnx.NodeProto) -> onnx.NodeProto | None:
    if node.op_type not in _TWINS or attribute(node, "channels_last", 0):
        return None
    return _TWINS[node.op_type](node)
