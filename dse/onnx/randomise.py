"""Seeded random weights for models that are shipped without their own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from dse.onnx.source import IR_VERSION

_WEIGHTED = ("Conv", "Gemm", "MatMul")


def randomise(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """The model with random weights in place of constant ones (``ConstantOfShape``).

    Weights follow He et al. 2015 (arXiv:1502.01852, eq. 10), so that activations keep their
    range from layer to layer; biases and means are small, gains and variances near one.
    """
    rng = np.random.default_rng(seed)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    roles = _roles(graph)
    kept, made = [], []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in shapes:
            kept.append(node)
            continue
        shape = tuple(int(n) for n in shapes[node.input[0]])
        array = _draw(rng, shape, roles.get(node.output[0], "bias"))
        made.append(numpy_helper.from_array(array, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(made)
    _drop_unused(graph)
    result.ir_version = IR_VERSION
    return result


def _roles(graph: onnx.GraphProto) -> dict[str, str]:
    """What each constant is for: weight, gain, or (all others) bias; seen through reshapes."""
    roles = {}
    for node in reversed(graph.node):
        if node.op_type in _WEIGHTED:
            roles[node.input[1]] = "weight"
        elif node.op_type == "BatchNormalization":
            roles[node.input[1]] = roles[node.input[4]] = "gain"
        elif node.op_type == "Mul":
            roles[node.input[1]] = "gain"
        elif node.op_type in ("Reshape", "Unsqueeze") and node.output[0] in roles:
            roles[node.input[0]] = roles[node.output[0]]
    return roles


def _draw(rng: np.random.Generator, shape: tuple[int, ...], role: str) -> npt.NDArray[np.float32]:
    if role == "gain":
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if role == "weight" and len(shape) > 1:
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        return (rng.standard_normal(shape, np.float32) * deviation).astype(np.float32)
    return (rng.standard_normal(shape, np.float32) * 0.02).astype(np.float32)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Forget the initializers, and the inputs that shadow them, which no node reads."""
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    names = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in names]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(kept)
    graph.input.extend(inputs)
