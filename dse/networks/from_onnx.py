"""The workload of an ONNX model: shapes only, so that models without weights serve as well.

What does not move data by itself (activations, normalisations, arithmetic with constants, Flatten)
is passed through; a fully connected layer becomes a convolution that covers its input.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import shape_inference

from dse.networks.workload import (
    Convolution,
    ConvShape,
    Join,
    Node,
    Pool,
    Shape,
    Source,
    Workload,
    WorkloadError,
)

_PASSED = {
    *("Add", "BatchNormalization", "Clip", "Div", "Dropout", "Flatten", "Identity", "LRN"),
    *("LeakyRelu", "Mul", "Relu", "Reshape", "Sigmoid", "Softmax", "Sub", "Tanh"),
}
_LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def light(name: str) -> Workload:
    """The workload of a weightless model that the onnx package ships, e.g. ``resnet50``."""
    path = _LIGHT / f"light_{name}.onnx"
    if not path.is_file():
        raise WorkloadError(f"the installed onnx package has no model {path.name!r} in {_LIGHT}")
    return from_onnx(path)


def from_onnx(model: onnx.ModelProto | str | Path) -> Workload:
    """Read shapes and edges of a model with static shapes; whatever its batch, of one image.

    Layers are named after their weights where the nodes have no telling names of their own.
    """
    if not isinstance(model, onnx.ModelProto):
        model = onnx.load(model, load_external_data=False)
    model = _single_image(model)
    return _Reader(shape_inference.infer_shapes(model, data_prop=True).graph).read()


def _single_image(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a batch of one, whatever it was exported with."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    graph = single.graph
    constants = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constants and dims:
            dims[0].dim_value = 1
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    return single


class _Reader:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        values = [*graph.input, *graph.value_info, *graph.output]
        self._dims = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
        self._dims.update({tensor.name: list(tensor.dims) for tensor in graph.initializer})
        self._constants = {tensor.name for tensor in graph.initializer}
        self._alias: dict[str, str] = {}  # ONNX tensor -> the workload's node that holds it
        self._nodes: dict[str, Node] = {}

    def read(self) -> Workload:
        for value in self._graph.input:
            if value.name not in self._constants:
                self._append(value.name, Source(value.name, self._shape(value.name)))
        for op in self._graph.node:
            if all(name in self._constants for name in op.input if name):
                self._constants.update(op.output)
            else:
                self._read(op)
        return Workload(self._graph.name or "onnx", tuple(self._nodes.values()))

    def _read(self, op: onnx.NodeProto) -> None:
        handlers: dict[str, Callable[[onnx.NodeProto], Node]] = {
            "Conv": self._conv,
            "Gemm": self._dense,
            "MatMul": self._dense,
            "MaxPool": self._pool,
            "AveragePool": self._pool,
            "GlobalAveragePool": self._pool,
            "GlobalMaxPool": self._pool,
            "Concat": self._join,
            "Add": self._join,
            "Sum": self._join,
        }
        moving = [name for name in op.input if name and name not in self._constants]
        if op.op_type in _PASSED and len(moving) == 1:
            self._pass(op, moving[0])
        elif op.op_type in handlers:
            self._append(op.output[0], handlers[op.op_type](op))
        else:
            raise WorkloadError(
                f"operator {_name(op)!r} ({op.op_type}) has no counterpart in a workload; "
                f"known: {sorted(_PASSED | handlers.keys())}"
            )

    def _pass(self, op: onnx.NodeProto, name: str) -> None:
        source = self._alias[name]
        if op.op_type == "Reshape":
            after = self._dims.get(op.output[0], [])
            if len(after) != 2 or after[1] != prod(self._nodes[source].shape):
                raise WorkloadError(f"Reshape {_name(op)!r} to {after} is more than a Flatten")
        self._alias[op.output[0]] = source

    def _append(self, tensor: str, node: Node) -> None:
        self._nodes[node.name] = node
        self._alias[tensor] = node.name

    def _shape(self, name: str) -> Shape:
        dims = self._dims.get(name, [])
        if len(dims) != 4 or min(dims) < 1 or dims[0] != 1:
            raise WorkloadError(
                f"tensor {name!r} must have a static shape 1 x C x H x W, not {dims or 'unknown'}; "
                "fix the model's input shape first"
            )
        return dims[2], dims[3], dims[1]

    def _conv(self, op: onnx.NodeProto) -> Node:
        attributes = _attributes(op)
        height, width, cin = self._shape(op.input[0])
        cout, _, *kernel = self._dims[op.input[1]]
        stride = tuple(attributes.get("strides", (1, 1)))
        dilation = tuple(attributes.get("dilations", (1, 1)))
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        pads = _padding(attributes, (height, width), spans, stride)
        groups = attributes.get("group", 1)
        shape = ConvShape(
            height, width, cin, cout, (kernel[0], kernel[1]), stride, pads, dilation, groups
        )
        if shape.output != self._shape(op.output[0]):
            raise WorkloadError(f"convolution {_name(op)!r}: output shape disagrees with {shape}")
        return Convolution(self._layer_name(op), self._alias[op.input[0]], shape)

    def _dense(self, op: onnx.NodeProto) -> Node:
        source = self._alias[op.input[0]]
        height, width, channels = self._nodes[source].shape
        cout = self._dims[op.output[0]][-1]
        shape = ConvShape(height, width, channels, cout, (height, width))
        return Convolution(self._layer_name(op), source, shape)

    def _pool(self, op: onnx.NodeProto) -> Node:
        attributes = _attributes(op)
        height, width, _ = self._shape(op.input[0])
        kernel = tuple(attributes.get("kernel_shape", (height, width)))
        stride = tuple(attributes.get("strides", (1, 1)))
        kind: Literal["max", "average"] = "max" if "Max" in op.op_type else "average"
        source = self._alias[op.input[0]]
        return Pool(_name(op), source, self._shape(op.output[0]), kind, kernel, stride)

    def _join(self, op: onnx.NodeProto) -> Node:
        inputs = tuple(self._alias[name] for name in op.input)
        shape = self._shape(op.output[0])
        if op.op_type == "Concat" and _attributes(op)["axis"] not in (1, -3):
            raise WorkloadError(f"Concat {_name(op)!r} must be along the channels (axis 1)")
        return Join(_name(op), inputs, shape, "concat" if op.op_type == "Concat" else "add")

    def _layer_name(self, op: onnx.NodeProto) -> str:
        name = op.input[1].removesuffix("_0").removesuffix("_w").removesuffix(".weight")
        return name if name and name not in self._nodes else _name(op)


def _name(op: onnx.NodeProto) -> str:
    return op.name or op.output[0]


def _attributes(op: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in op.attribute}


def _padding(
    attributes: dict[str, Any],
    sizes: tuple[int, int],
    spans: list[int],
    stride: tuple[int, ...],
) -> tuple[int, int, int, int]:
    mode = attributes.get("auto_pad", b"NOTSET").decode()
    if mode in ("NOTSET", "VALID"):
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        return top, left, bottom, right
    totals = [
        max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in zip(sizes, spans, stride, strict=True)
    ]
    low = [total // 2 if mode == "SAME_UPPER" else total - total // 2 for total in totals]
    return low[0], low[1], totals[0] - low[0], totals[1] - low[1]
