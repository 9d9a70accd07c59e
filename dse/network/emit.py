"""A draft as a float ONNX model, for onnxruntime's quantiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dse.network.draft import Draft, DraftTensor, Layer
from dse.network.source import IR_VERSION

OPSET = 21

_NEGLIGIBLE = 1e-30
"""Weights of dead channels after folding; their scale would not be a normal float."""


def float_model(draft: Draft, name: str) -> onnx.ModelProto:
    """The draft in float: convolutions, pooling, additions, concatenations and ranges only."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    for layer in draft.layers:
        _emit(layer, draft.outputs, nodes, weights)
    graph = helper.make_graph(
        nodes,
        name,
        [_input(tensor) for tensor in draft.inputs],
        [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, None) for t in draft.outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model


def _emit(
    layer: Layer,
    outputs: list[DraftTensor],
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
) -> None:
    limited = layer.low != -np.inf or layer.high != np.inf
    bare = layer.is_identity and limited
    inputs = [tensor.name for tensor in layer.inputs]
    output = layer.output.name
    if not bare:
        result = f"{output}/unlimited" if limited else output
        constants = _constants(layer)
        weights.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
        attributes = _attributes(layer)
        op = _OPERATORS[layer.kind]
        nodes.append(
            helper.make_node(op, [*inputs, *constants], [result], name=layer.name, **attributes)
        )
        inputs = [result]
    elif layer.inputs[0] in outputs:
        # onnxruntime would give the input the range of the output, though it is an output itself.
        nodes.append(helper.make_node("Identity", inputs, [f"{output}/unlimited"]))
        inputs = [f"{output}/unlimited"]
    if limited:
        range_name = layer.name if bare else f"{layer.name}/range"
        nodes.append(_range(layer, inputs[0], output, range_name, weights))


_OPERATORS = {
    "conv": "Conv",
    "max": "MaxPool",
    "average": "AveragePool",
    "add": "Add",
    "concat": "Concat",
    "reshape": "Reshape",
}


def _constants(layer: Layer) -> dict[str, np.ndarray]:
    constants = {}
    if layer.weight is not None:
        weight = layer.weight.real().astype(np.float32)
        weight = np.where(np.abs(weight) < _NEGLIGIBLE, np.float32(0), weight)
        constants[f"{layer.name}/weight"] = np.ascontiguousarray(weight.transpose(0, 3, 1, 2))
    if layer.bias is not None:
        constants[f"{layer.name}/bias"] = layer.bias.real().astype(np.float32)
    if layer.kind == "reshape":
        height, width, channels = layer.output.shape
        constants[f"{layer.name}/shape"] = np.array([1, channels, height, width], np.int64)
    return constants


def _attributes(layer: Layer) -> dict[str, Any]:
    if layer.kind == "concat":
        return {"axis": 1}
    if layer.kind not in ("conv", "max", "average"):
        return {}
    window = layer.window
    attributes: dict[str, Any] = {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": window.padding,
    }
    if layer.kind == "conv":
        return attributes | {"group": layer.groups}
    if window.output(*layer.inputs[0].shape[:2]) != layer.output.shape[:2]:
        attributes["ceil_mode"] = 1
    if layer.count_include_pad:
        attributes["count_include_pad"] = 1
    return attributes


def _range(
    layer: Layer, source: str, output: str, name: str, weights: list[onnx.TensorProto]
) -> onnx.NodeProto:
    if layer.low == 0 and layer.high == np.inf:
        return helper.make_node("Relu", [source], [output], name=name)
    bounds = []
    for side, bound in (("low", layer.low), ("high", layer.high)):
        if np.isinf(bound):
            bounds.append("")
            continue
        bounds.append(f"{name}/{side}")
        weights.append(numpy_helper.from_array(np.array(bound, np.float32), bounds[-1]))
    return helper.make_node("Clip", [source, *bounds], [output], name=name)


def _input(tensor: DraftTensor) -> onnx.ValueInfoProto:
    height, width, channels = tensor.shape
    return helper.make_tensor_value_info(
        tensor.name, TensorProto.FLOAT, [1, channels, height, width]
    )
