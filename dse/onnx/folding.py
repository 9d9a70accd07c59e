"""Evaluation of the nodes that depend on constants only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from dse.onnx.node_shapes import Opsets, infer, known_constant
from dse.onnx.places import RANDOM
from dse.onnx.source import IR_VERSION, attribute, node_inputs, node_name, operator
from dse.onnx.values import REQUANTISE_WEIGHTS, Const, Unsupported, Value

MAX_CONSTANT = 2**27
"""Elements; the largest weights of a CNN, of VGG's first fully connected layer, are 2**26.6."""

_ENDLESS = frozenset(("Loop", "Scan"))
"""Operators that may run for ever."""


def can_fold(node: onnx.NodeProto) -> bool:
    """Whether constant inputs make the node's outputs constant."""
    return node.op_type not in RANDOM | _ENDLESS


def fold(
    node: onnx.NodeProto, op: str, values: Mapping[str, Value], opsets: Opsets
) -> dict[str, Value]:
    """The outputs of a node by name; a DequantizeLinear keeps its integers.

    ``values``: constants by name, among them all that the node reads.
    """
    consts = {n: v for n in node_inputs(node) if isinstance(v := values[n], Const)}
    if op == "If":
        return _branch(node, consts, opsets)
    made = infer(node, {name: known_constant(const) for name, const in consts.items()}, opsets)
    for known in made.values():
        if math.prod(known.shape or ()) > MAX_CONSTANT:
            raise Unsupported(
                f"it makes a constant of {known.shape}, more than {MAX_CONSTANT:,} elements",
                "export the model again",
            )
    if op == "DequantizeLinear":
        return {node.output[0]: _dequantised(node, consts)}
    if op == "ConstantOfShape":
        return {node.output[0]: _filled(node, consts[node.input[0]])}
    if op == "Transpose" and consts[node.input[0]].scale is not None:
        return {node.output[0]: _transposed(node, consts[node.input[0]])}
    arrays = {name: const.real().astype(const.dtype) for name, const in consts.items()}
    names = [name for name in node.output if name]
    graph = helper.make_graph(
        [_plain(node)],
        "fold",
        [helper.make_empty_tensor_value_info(name) for name in arrays],
        [helper.make_empty_tensor_value_info(name) for name in names],
    )
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = IR_VERSION
    try:
        results = ReferenceEvaluator(model).run(None, arrays)
    except Exception as error:  # the evaluator raises whatever its operators raise
        raise Unsupported(
            f"it cannot be evaluated ahead ({type(error).__name__}: {error})".splitlines()[0],
            "replace it by its result, e.g. with onnxruntime's optimiser",
        ) from error
    return {name: Const(np.asarray(result)) for name, result in zip(names, results, strict=True)}


def _branch(node: onnx.NodeProto, consts: Mapping[str, Const], opsets: Opsets) -> dict[str, Value]:
    """The outputs of the branch that an If takes."""
    taken = "then_branch" if consts[node.input[0]].array.any() else "else_branch"
    graph = attribute(node, taken)
    values: dict[str, Value] = dict(consts)
    values.update({t.name: Const(numpy_helper.to_array(t)) for t in graph.initializer})
    for inner in graph.node:
        if not can_fold(inner):
            raise Unsupported(
                f"its {taken} holds {operator(inner)}, which is not evaluated ahead",
                "replace it by its result, e.g. with onnxruntime's optimiser",
            )
        values.update(fold(inner, operator(inner), values, opsets))
    return {name: values[value.name] for name, value in zip(node.output, graph.output, strict=True)}


def _plain(node: onnx.NodeProto) -> onnx.NodeProto:
    """ONNX Runtime's own QuantizeLinear is, on eight bits, ONNX's."""
    if node.op_type != "QuantizeLinear":
        return node
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    plain.domain = ""
    return plain


def _dequantised(node: onnx.NodeProto, consts: Mapping[str, Const]) -> Const:
    values = consts[node.input[0]].array
    scale = consts[node.input[1]].array.astype(np.float64)
    zero = consts[node.input[2]].array if len(node.input) > 2 and node.input[2] else None
    axis = attribute(node, "axis", 1)
    if scale.ndim > 1 or attribute(node, "block_size", 0):
        raise Unsupported(
            f"{node_name(node)} dequantises in blocks", "quantise per output channel or per tensor"
        )
    if not values.dtype.name.startswith(("int", "uint")):
        raise Unsupported(f"it dequantises {values.dtype}", REQUANTISE_WEIGHTS)
    return Const(values, scale, zero, axis, consts[node.input[1]].dtype)


def _transposed(node: onnx.NodeProto, const: Const) -> Const:
    """Integers with their scale, moved: exporters transpose dequantised weights."""
    axes = attribute(node, "perm", list(reversed(range(const.array.ndim))))
    moved = axes.index(const.axis % const.array.ndim) if const.array.ndim > 1 else 0
    return replace(const, array=const.array.transpose(axes), axis=moved)


def _filled(node: onnx.NodeProto, shape: Const) -> Const:
    """A constant of one value; a view of it, because such weights can be very large."""
    filler = next(
        (onnx.numpy_helper.to_array(a.t) for a in node.attribute), np.zeros(1, np.float32)
    )
    extents = tuple(int(n) for n in shape.array)
    return Const(np.broadcast_to(filler.reshape(()), extents))
