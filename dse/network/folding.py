"""Evaluation of the nodes that depend on constants only."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from dse.network.places import RANDOM
from dse.network.source import IR_VERSION, attribute, node_name
from dse.network.values import Const, Unsupported, Value

_MAX_FILLED = 2**31


def can_fold(node: onnx.NodeProto) -> bool:
    """Whether constant inputs make the node's outputs constant."""
    return node.op_type not in RANDOM


def fold(
    node: onnx.NodeProto, op: str, values: Mapping[str, Value], opset: int
) -> dict[str, Value]:
    """The outputs of a node by name; a DequantizeLinear keeps its integers."""
    consts = {name: value for name, value in values.items() if isinstance(value, Const)}
    if op == "DequantizeLinear":
        return {node.output[0]: _dequantised(node, consts)}
    if op == "ConstantOfShape":
        return {node.output[0]: _filled(node, consts[node.input[0]])}
    if op == "Transpose" and consts[node.input[0]].scale is not None:
        return {node.output[0]: _transposed(node, consts[node.input[0]])}
    arrays = {name: const.real() for name, const in consts.items()}
    graph = helper.make_graph(
        [node], "fold", [], [helper.make_empty_tensor_value_info(n) for n in node.output if n]
    )
    graph.input.extend(helper.make_empty_tensor_value_info(name) for name in arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, opset)])
    model.ir_version = IR_VERSION
    try:
        results = ReferenceEvaluator(model).run(None, arrays)
    except Exception as error:  # the evaluator raises whatever its operators raise
        raise Unsupported(
            f"it cannot be evaluated ahead ({type(error).__name__}: {error})".splitlines()[0],
            "replace it by its result, e.g. with onnxruntime's optimiser",
        ) from error
    names = [name for name in node.output if name]
    return {name: Const(np.asarray(result)) for name, result in zip(names, results, strict=True)}


def _dequantised(node: onnx.NodeProto, consts: Mapping[str, Const]) -> Const:
    values = consts[node.input[0]].array
    scale = consts[node.input[1]].array.astype(np.float64)
    zero = consts[node.input[2]].array if len(node.input) > 2 and node.input[2] else None
    axis = attribute(node, "axis", 1)
    if scale.ndim > 1 or attribute(node, "block_size", 0):
        raise Unsupported(
            f"{node_name(node)} dequantises in blocks", "quantise per output channel or per tensor"
        )
    return Const(values, scale, zero, axis)


def _transposed(node: onnx.NodeProto, const: Const) -> Const:
    """Integers with their scale, moved: exporters transpose dequantised weights."""
    axes = attribute(node, "perm", list(reversed(range(const.array.ndim))))
    moved = axes.index(const.axis % const.array.ndim) if const.array.ndim > 1 else 0
    return Const(const.array.transpose(axes), const.scale, const.zero_point, moved)


def _filled(node: onnx.NodeProto, shape: Const) -> Const:
    """A constant of one value; a view of it, because such weights can be very large."""
    filler = next(
        (onnx.numpy_helper.to_array(a.t) for a in node.attribute), np.zeros(1, np.float32)
    )
    extents = tuple(int(n) for n in shape.array)
    if math.prod(extents) > _MAX_FILLED:
        raise Unsupported(f"its constant has shape {extents}", "export the model again")
    return Const(np.broadcast_to(filler.reshape(()), extents))
