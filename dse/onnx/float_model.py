"""A draft as a float ONNX model whose outputs are all of its tensors, for calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dse.onnx.draft import Draft, DraftLayer, DraftTensor
from dse.onnx.functions import INPUT, OUTPUT, renamed
from dse.onnx.source import IR_VERSION

OPSET = 21

Numbers = dict[DraftTensor, str]


def numbers(draft: Draft) -> Numbers:
    """A name for each tensor of a draft that no name of the user's model can meet."""
    tensors = (*draft.inputs, *(layer.output for layer in draft.layers))
    return {tensor: f"t{number}" for number, tensor in enumerate(tensors)}


def float_model(draft: Draft, names: Numbers) -> onnx.ModelProto:
    """The draft in float: what its layers are, and the nodes of its functions."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, np.ndarray] = {}
    for layer in draft.layers:
        _emit(layer, names, nodes, constants)
    graph = helper.make_graph(
        nodes,
        "calibration",
        [_input(tensor, names[tensor]) for tensor in draft.inputs],
        [helper.make_empty_tensor_value_info(names[layer.output]) for layer in draft.layers],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    for value in graph.output:
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    opset = max([OPSET, *(layer.function.opset for layer in draft.layers if layer.function)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = IR_VERSION
    return model


def _emit(
    layer: DraftLayer,
    names: Numbers,
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
) -> None:
    output = names[layer.output]
    result = f"{output}.unlimited" if layer.is_limited else output
    inputs = [names[tensor] for tensor in layer.inputs]
    inputs += _add(constants, output, _constants(layer))
    if layer.kind == "reshape":  # of HWC bytes
        last, first = f"{output}.last", f"{output}.first"
        nodes.append(helper.make_node("Transpose", inputs[:1], [last], perm=[0, 2, 3, 1]))
        nodes.append(helper.make_node("Reshape", [last, *inputs[1:]], [first]))
        nodes.append(helper.make_node("Transpose", [first], [result], perm=[0, 3, 1, 2]))
    elif layer.function is not None:
        prefix = f"{output}."
        nodes += renamed(layer.function.nodes, {INPUT: inputs[0], OUTPUT: result}, prefix)
        constants |= {f"{prefix}{k}": array for k, array in layer.function.constants.items()}
    else:
        operator = "Pad" if layer.is_padding else _OPERATORS.get(layer.kind, "")
        if layer.kind == "combine":
            operator = _COMBINED[layer.combination]
            inputs = inputs[::-1] if layer.combination == "reverse" else inputs
        nodes.append(helper.make_node(operator, inputs, [result], **_attributes(layer)))
    if layer.is_limited:
        bounds = {"low": np.float32(layer.low), "high": np.float32(layer.high)}
        nodes.append(helper.make_node("Clip", [result, *_add(constants, output, bounds)], [output]))


_OPERATORS = {
    "conv": "Conv",
    "max": "MaxPool",
    "average": "AveragePool",
    "normalise": "LRN",
    "add": "Add",
    "concat": "Concat",
    "slice": "Slice",
}


_COMBINED = {
    "product": "Mul",
    "sum": "Add",
    "difference": "Sub",
    "reverse": "Sub",
    "maximum": "Max",
    "minimum": "Min",
}


def _add(constants: dict[str, np.ndarray], output: str, arrays: dict[str, Any]) -> list[str]:
    """Adds the constants of a layer; their names."""
    named = {f"{output}.{role}": np.asarray(array) for role, array in arrays.items()}
    constants.update(named)
    return list(named)


def _constants(layer: DraftLayer) -> dict[str, np.ndarray]:
    constants = {}
    if layer.weight is not None:
        weight = layer.weight.real().astype(np.float32)
        constants["weight"] = np.ascontiguousarray(weight.transpose(0, 3, 1, 2))
    if layer.bias is not None:
        constants["bias"] = layer.bias.real().astype(np.float32)
    if layer.kind == "reshape":
        height, width, channels = layer.output.shape
        constants["shape"] = np.array([1, height, width, channels], np.int64)
    if layer.kind == "slice":
        ends = layer.channel, layer.channel + layer.output.channels
        for name, number in zip(("start", "end", "axis"), (*ends, 1), strict=True):
            constants[name] = np.array([number], np.int64)
    if layer.is_padding:
        top, left, bottom, right = layer.window.padding
        constants["pads"] = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    return constants


def _attributes(layer: DraftLayer) -> dict[str, Any]:
    if layer.kind == "concat":
        return {"axis": 1}
    if layer.normalisation is not None:
        gain, size = layer.normalisation.gain, 2 * layer.normalisation.reach + 1
        return {"alpha": gain.alpha * size, "beta": gain.beta, "bias": gain.bias, "size": size}
    if layer.kind not in ("conv", "max", "average") or layer.is_padding:
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


def _input(tensor: DraftTensor, name: str) -> onnx.ValueInfoProto:
    height, width, channels = tensor.shape
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, height, width])
