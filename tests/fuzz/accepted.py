"""Damaged models: what ``check`` accepts, onnxruntime can run.

``python -m tests.fuzz.accepted --count 2000`` damages small models in one or two places: sizes of
images and weights, attributes, operands, operators.  A model that ``check`` accepts must run on
one image in onnxruntime, without its optimisations.  Nothing may raise but NetworkError.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from dse.network.graph import NetworkError
from dse.onnx.importer import check
from dse.onnx.source import first_line
from tests.fuzz.campaign import Verdict, command

Rng = np.random.Generator
COUNT = 500
_NUMBERS = (-1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 2**30)


def base(rng: Rng) -> onnx.ModelProto:
    """A sound model of most operators, float or quantised."""
    nodes, constants = [], {}

    def add(op: str, inputs: list[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(name: str, array: np.ndarray) -> str:
        constants[name] = array
        return name

    def weight(name: str, *shape: int) -> str:
        return constant(name, rng.normal(0, 0.2, shape).astype(np.float32))

    x = add("Mul", ["x", weight("shade", 3, 1, 1)], "shaded")
    groups = int(rng.choice([1, 2]))
    x = add("Conv", [x, weight("w0", 4, 3, 3, 3), weight("b0", 4)], "c0", pads=[1] * 4)
    x = add("BatchNormalization", [x, *(constant(n, np.ones(4, np.float32)) for n in "stuv")], "bn")
    y = add("Conv", [x, weight("w1", 4, 4 // groups, 1, 1)], "c1", group=groups)
    x = add("Add", [x, y], "sum") if rng.random() < 0.5 else add("Concat", [x, y], "both", axis=1)
    channels = 4 if nodes[-1].op_type == "Add" else 8
    x = add("Relu", [x], "relu")
    pool = rng.choice(["MaxPool", "AveragePool"])
    x = add(pool, [x], "pool", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1], ceil_mode=1)
    if rng.random() < 0.3:
        x = quantised(x, channels, add, constant, weight)
        channels = 4
    if rng.random() < 0.7:
        x = moved(x, channels, rng, add, constant, weight)
    if rng.random() < 0.5:
        x = add("GlobalAveragePool", [x], "mean")
        x = add("Flatten", [x], "flat")
    else:
        x = add("ReduceMean", [x], "mean", axes=[2, 3], keepdims=0)
    x = add("Gemm", [x, weight("w2", 5, channels), weight("b2", 5)], "fc", transB=1)
    x = add("Softmax", [x], "y", axis=1)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def moved(
    x: str, channels: int, rng: Rng, add: Callable, constant: Callable, weight: Callable
) -> str:
    """What only moves values, or enlarges, in front of a convolution of as many channels."""
    numbers = {
        "five": [1, 2, channels // 2, 5, 5],
        "four": [1, channels, 5, 5],
        "first": [0, 1],
        "last": [channels, 5],
        "axes": [1, 2],
        "step": [1, 2],
        "pads": [0, 0, 1, 0, 0, 0, 2, 1],
        "halves": [channels // 2, 0],
    }
    for name, values in numbers.items():
        constant(name, np.array(values, np.int64))
    match rng.integers(6):
        case 0:
            x = add("Transpose", [add("Reshape", [x, "five"], "m0")], "m1", perm=[0, 2, 1, 3, 4])
            x = add("Reshape", [x, "four"], "m2")
        case 1:
            x = add("Slice", [x, "first", "last", "axes", "step"], "m0")
        case 2:
            x = add("Pad", [x, "pads"], "m0", mode=str(rng.choice(["constant", "edge", "reflect"])))
        case 3:
            scales = constant("scales", np.float32([1, 1, 2, 3]))
            x = add("Resize", [x, "", scales], "m0", mode=str(rng.choice(["nearest", "linear"])))
        case 4:
            own = weight("w3", channels, channels, 3, 2)
            options = {"strides": [2, 1], "pads": [1, 0, 0, 1], "output_padding": [1, 0]}
            x = add("ConvTranspose", [x, own], "m0", **options)
        case _:
            x = add("Gather", [x, "halves"], "m0", axis=1)
            x = add("Concat", [x] * (channels // 2), "m1", axis=1)
    return add("Conv", [x, weight("w4", channels, channels, 1, 1)], "c4")


def quantised(x: str, channels: int, add: Callable, constant: Callable, weight: Callable) -> str:
    """A quantised convolution and sum in a model of floats."""
    constant("scale", np.float32(0.05))
    constant("zero", np.int8(2))
    constant("symmetric", np.int8(0))
    constant("wq", np.ones((4, channels, 1, 1), np.int8))
    pair = ["scale", "zero"]
    q = add("QuantizeLinear", [x, *pair], "q")
    q = add("QLinearConv", [q, *pair, "wq", "scale", "symmetric", *pair], "qconv")
    q = add("QLinearAdd", [q, *pair, q, *pair, *pair], "qadd", domain="com.microsoft")
    return add("DequantizeLinear", [q, *pair], "d")


def _size_of_image(model: onnx.ModelProto, rng: Rng) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[rng.integers(1, len(dims))].dim_value = int(rng.choice(_NUMBERS))


def _size_of_constant(model: onnx.ModelProto, rng: Rng) -> None:
    tensor = model.graph.initializer[rng.integers(len(model.graph.initializer))]
    array = numpy_helper.to_array(tensor)
    if array.ndim == 0 or rng.random() < 0.2:
        changed = np.expand_dims(array, 0)
    else:
        shape = list(array.shape)
        shape[rng.integers(array.ndim)] = int(rng.choice([0, 1, 2, 3, 5, 7]))
        changed = np.resize(array, shape)
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def _type_of_constant(model: onnx.ModelProto, rng: Rng) -> None:
    tensor = model.graph.initializer[rng.integers(len(model.graph.initializer))]
    kind = rng.choice([np.float32, np.float64, np.float16, np.int8, np.uint8, np.int32, np.int64])
    tensor.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(kind), tensor.name)
    )


def _attribute(model: onnx.ModelProto, rng: Rng) -> None:
    node = model.graph.node[rng.integers(len(model.graph.node))]
    if not node.attribute:
        return _operand(model, rng)
    attribute = node.attribute[rng.integers(len(node.attribute))]
    if attribute.ints:
        change = rng.random()
        if change < 0.7:
            attribute.ints[rng.integers(len(attribute.ints))] = int(rng.choice(_NUMBERS))
        elif change < 0.85:
            attribute.ints.append(1)
        else:
            del attribute.ints[-1]
    else:
        attribute.i = int(rng.choice(_NUMBERS))
    return None


def _operand(model: onnx.ModelProto, rng: Rng) -> None:
    at = int(rng.integers(len(model.graph.node)))
    node = model.graph.node[at]
    known = ["x", *(t.name for t in model.graph.initializer)]
    known += [name for before in model.graph.node[:at] for name in before.output]
    if rng.random() < 0.3 and len(node.input) > 1:
        del node.input[-1]
    else:
        node.input[rng.integers(len(node.input))] = str(rng.choice(known))


def _operator(model: onnx.ModelProto, rng: Rng) -> None:
    nodes = model.graph.node
    nodes[rng.integers(len(nodes))].op_type = nodes[rng.integers(len(nodes))].op_type


def _new_attribute(model: onnx.ModelProto, rng: Rng) -> None:
    node = model.graph.node[rng.integers(len(model.graph.node))]
    numbers = [int(n) for n in rng.choice(_NUMBERS, 2)]
    names = ["group", "axis", "keepdims", "ceil_mode", "transA", "count_include_pad"]
    lists = ["strides", "dilations", "kernel_shape", "axes"]
    name = str(rng.choice(names + lists))
    if all(found.name != name for found in node.attribute):
        node.attribute.append(helper.make_attribute(name, numbers if name in lists else numbers[0]))


DAMAGES: tuple[Callable[[onnx.ModelProto, Rng], None], ...] = (
    _size_of_image,
    _size_of_constant,
    _type_of_constant,
    _attribute,
    _attribute,
    _operand,
    _operator,
    _new_attribute,
)


def damaged(seed: int) -> onnx.ModelProto:
    """The model of a seed."""
    rng = np.random.default_rng(seed)
    model = base(rng)
    for _ in range(int(rng.integers(1, 3))):
        DAMAGES[rng.integers(len(DAMAGES))](model, rng)
    return model


def judge(seed: int) -> Verdict:
    """Accepted and run, or refused in one line."""
    model = damaged(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            report = check(path)
        except NetworkError as error:
            one = "\n" not in str(error)
            return Verdict(kind="refused as a whole", good=one, detail=str(error))
    if not report.supported:
        texts = [str(problem) for problem in report.problems]
        one = all("\n" not in text for text in texts)
        return Verdict(kind="refused node by node", good=one, detail=texts[0])
    failure = _fails(_without_axes(model))
    if failure:
        return Verdict(kind="accepted though it cannot run", good=False, detail=failure)
    return Verdict(kind="accepted, and runs", good=True)


def _without_axes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model as QLinearAdd wants it: ``check`` takes one number along an axis for a scalar."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    adds = [node for node in plain.graph.node if node.op_type == "QLinearAdd"]
    names = {name for node in adds for name in node.input}
    for tensor in plain.graph.initializer:
        if tensor.name in names and list(tensor.dims) == [1]:
            del tensor.dims[:]
    return plain


def _fails(model: onnx.ModelProto) -> str:
    """Why onnxruntime cannot run the model; empty if it can."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        session.run(None, {"x": np.ones(shape, np.float32)})
    except Exception as error:  # onnxruntime has a class of its own for each kind of failure
        return first_line(error)
    return ""


if __name__ == "__main__":
    sys.exit(command(judge, __doc__ or "", count=COUNT))
