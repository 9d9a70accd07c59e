"""Models that are well formed as files, and nonsense as graphs."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIZES = (
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    64,
    255,
    1 << 15,
    1 << 30,
    (1 << 31) - 1,
    1 << 40,
    1 << 62,
    -(1 << 62),
)
OPERATORS = (
    *("Relu", "Sigmoid", "Concat", "Add", "Mul", "MatMul", "Gemm", "Conv", "MaxPool", "Flatten"),
    *("AveragePool", "GlobalAveragePool", "Softmax", "Transpose", "Clip", "Identity", "Reshape"),
    *("Pad", "QuantizeLinear", "DequantizeLinear", "BatchNormalization", "Dropout", "ReduceMean"),
)


def nonsense(rng: random.Random, model: onnx.ModelProto) -> None:
    """Changes a few things that a graph means."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(_KINDS)(rng, model.graph)


def _attribute(rng: random.Random, graph: onnx.GraphProto) -> None:
    found = [one for node in graph.node for one in node.attribute if one.ints or one.HasField("i")]
    if not found:
        return
    one = rng.choice(found)
    if one.HasField("i"):
        one.i = rng.choice(SIZES)
    elif rng.random() < 0.2:
        one.ints.append(rng.choice(SIZES))
    else:
        one.ints[rng.randrange(len(one.ints))] = rng.choice(SIZES)


def _dimension(rng: random.Random, graph: onnx.GraphProto) -> None:
    values = (*graph.input, *graph.output, *graph.value_info)
    dims = [dim for value in values for dim in value.type.tensor_type.shape.dim]
    if dims:
        rng.choice(dims).dim_value = rng.choice(SIZES)


def _constant(rng: random.Random, graph: onnx.GraphProto) -> None:
    """Values or the type or the shape of a constant."""
    if not graph.initializer:
        return
    tensor = rng.choice(graph.initializer)
    array = numpy_helper.to_array(tensor).copy()
    kind = rng.randrange(4)
    if kind == 0 and array.size:
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice((0, 1, -1, 3, 100))
    elif kind == 1:
        array = array.astype(rng.choice((np.int8, np.uint8, np.int32, np.int64, np.float64)))
    elif kind == 2:
        shape = [rng.choice((0, 1, 2, 3, 7)) for _ in range(rng.randrange(6))]
        array = np.zeros(shape, array.dtype)
    else:
        array = array.transpose(rng.sample(range(array.ndim), array.ndim))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _sizes(rng: random.Random, graph: onnx.GraphProto) -> None:
    """A node whose result a constant makes as large as you like."""
    node = rng.choice(graph.node)
    if not node.input:
        return
    shape = np.array([rng.choice(SIZES) for _ in range(rng.randrange(1, 5))], np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, "fuzz/shape"))
    at = rng.randrange(len(node.input))
    kind = rng.choice(("ConstantOfShape", "Expand", "Tile", "Reshape", "Pad", "Resize"))
    inputs = {"ConstantOfShape": ["fuzz/shape"], "Resize": [node.input[at], "", "", "fuzz/shape"]}
    made = helper.make_node(kind, inputs.get(kind, [node.input[at], "fuzz/shape"]), ["fuzz/large"])
    node.input[at] = "fuzz/large"
    graph.node.insert(list(graph.node).index(node), made)


def _rewired(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = rng.choice(graph.node)
    if node.input:
        names = [name for other in graph.node for name in (*other.input, *other.output)]
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def _operator(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = rng.choice(graph.node)
    node.op_type = rng.choice(OPERATORS)
    if rng.random() < 0.5:
        del node.attribute[:]


def _dropped(rng: random.Random, graph: onnx.GraphProto) -> None:
    """A node whose readers get what it read."""
    at = rng.randrange(len(graph.node))
    node = graph.node[at]
    if not node.input or len(graph.node) == 1:
        return
    for other in graph.node:
        for number, name in enumerate(other.input):
            if name in node.output:
                other.input[number] = node.input[0]
    del graph.node[at]


def _output(rng: random.Random, graph: onnx.GraphProto) -> None:
    names = [name for node in graph.node for name in (*node.input, *node.output) if name]
    value = graph.output.add() if rng.random() < 0.5 else rng.choice(graph.output)
    value.CopyFrom(helper.make_tensor_value_info(rng.choice(names), onnx.TensorProto.FLOAT, None))


_KINDS: tuple[Callable[[random.Random, onnx.GraphProto], None], ...] = (
    *(_attribute, _attribute, _dimension, _constant, _constant, _sizes, _rewired, _operator),
    *(_dropped, _output),
)
