"""A network as a quantised ONNX model, so that onnxruntime can run the very same integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dse.network.graph import (
    INT8_MAX,
    INT8_MIN,
    Add,
    Combine,
    Concat,
    Conv,
    Crop,
    Network,
    NetworkError,
    Operator,
    Pool,
    Reshape,
    Slice,
    SpaceToDepth,
    Tensor,
    Window,
)
from dse.onnx.source import IR_VERSION

OPSET = 21


def qdq_model(network: Network, *, intermediate: bool = False) -> onnx.ModelProto:
    """The network with int8 inputs and outputs, NCHW, and Quantize/DequantizeLinear pairs.

    ``intermediate``: every tensor is an output, not only the network's own.
    """
    outputs = [op.output for op in network.operators] if intermediate else network.outputs
    writer = _Writer(network)
    for operator in network.operators:
        writer.operator(operator)
    graph = helper.make_graph(
        list(writer.nodes.values()),
        network.name,
        [_port(network.tensors[name]) for name in network.inputs],
        [_port(network.tensors[name]) for name in outputs],
        list(writer.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model


_COMBINED = {
    "product": "Mul",
    "sum": "Add",
    "difference": "Sub",
    "reverse": "Sub",
    "maximum": "Max",
    "minimum": "Min",
}


class _Writer:
    """Nodes by output name and constants by name, so that operands read twice stand once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: dict[str, onnx.NodeProto] = {}
        self.constants: dict[str, onnx.TensorProto] = {}

    def operator(self, op: Operator) -> None:
        match op:
            case Conv():
                inputs = [self._dequantise(op, op.input), *self._coefficients(op)]
                self._quantised(op, "Conv", inputs, group=op.groups, **_window(op.window))
            case Pool():
                self._pool(op)
            case Add():
                inputs = [self._dequantise(op, name) for name in op.inputs]
                self._quantised(op, "Add", inputs)
            case Combine():
                names = op.inputs[::-1] if op.combination == "reverse" else op.inputs
                inputs = [self._dequantise(op, name) for name in names]
                self._quantised(op, _COMBINED[op.combination], inputs)
            case Concat():
                self._node("Concat", list(op.inputs), op.output, op.name, axis=1)
            case Reshape():
                height, width, channels = self.network.tensors[op.output].shape
                shape = self._constant(f"{op.name}/shape", np.array([1, channels, height, width]))
                self._node("Reshape", [op.input, shape], op.output, op.name)
            case Slice() | Crop() | SpaceToDepth():
                raise NetworkError(f"operator {op.name!r}: export the network before graph passes")

    def _pool(self, op: Pool) -> None:
        x, y = self.network.tensors[op.input], self.network.tensors[op.output]
        attributes = _window(op.window)
        attributes["ceil_mode"] = int(op.window.output(x.height, x.width) != (y.height, y.width))
        if op.kind == "average":
            attributes["count_include_pad"] = int(op.count_include_pad)
            if op.window.dilation == (1, 1):
                del attributes["dilations"]  # onnxruntime's quantised average does not know them
        kind = "MaxPool" if op.kind == "max" else "AveragePool"
        source = self._dequantise(op, op.input)
        if (known := op.normalisation) is not None:
            gain, size = known.gain, 2 * known.reach + 1
            response = {"alpha": gain.alpha * size, "beta": gain.beta, "bias": gain.bias}
            name = f"{op.name}/response"
            source = self._node("LRN", [source], name, name, size=size, **response)
        self._quantised(op, kind, [source], **attributes)

    def _coefficients(self, op: Conv) -> list[str]:
        """The names of the dequantised weights and bias."""
        unit = self.network.tensors[op.input].scale * op.weight_scale
        weight = np.ascontiguousarray(op.weight.transpose(0, 3, 1, 2))
        pairs: dict[str, tuple[npt.NDArray, npt.NDArray]] = {
            "weight": (weight, op.weight_scale),
            "bias": (op.bias, unit),
        }
        names = []
        for role, (values, scale) in pairs.items():
            name = f"{op.name}/{role}"
            inputs = [
                self._constant(f"{name}/quantised", values),
                self._constant(f"{name}/scale", scale.astype(np.float32)),
            ]
            names.append(self._node("DequantizeLinear", inputs, name, name, axis=0))
        return names

    def _quantised(
        self, op: Conv | Pool | Add | Combine, kind: str, inputs: list[str], **kw: Any
    ) -> None:
        """The operator in float, the quantisation of its output, and its range in integers."""
        limited = (op.low, op.high) != (INT8_MIN, INT8_MAX)
        real = self._node(kind, inputs, f"{op.output}/real", op.name, **kw)
        output = f"{op.output}/unlimited" if limited else op.output
        parameters = self._parameters(op, op.output)
        self._node("QuantizeLinear", [real, *parameters], output, f"{op.name}/quantise")
        if limited:
            bounds = [
                self._constant(f"{op.name}/{side}", np.array(bound, np.int8))
                for side, bound in (("low", op.low), ("high", op.high))
            ]
            self._node("Clip", [output, *bounds], op.output, f"{op.name}/range")

    def _dequantise(self, op: Operator, name: str) -> str:
        parameters = self._parameters(op, name)
        output = f"{op.name}/{name}/real"
        return self._node("DequantizeLinear", [name, *parameters], output, output)

    def _parameters(self, op: Operator, name: str) -> list[str]:
        tensor = self.network.tensors[name]
        prefix = f"{op.name}/{name}"
        return [
            self._constant(f"{prefix}/scale", np.array(tensor.scale, np.float32)),
            self._constant(f"{prefix}/zero_point", np.array(tensor.zero_point, np.int8)),
        ]

    def _constant(self, name: str, array: npt.NDArray) -> str:
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, name: str, **kw: Any) -> str:
        self.nodes[output] = helper.make_node(kind, inputs, [output], name=name, **kw)
        return output


def _window(window: Window) -> dict[str, Any]:
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": window.padding,
    }


def _port(tensor: Tensor) -> onnx.ValueInfoProto:
    height, width, channels = tensor.shape
    shape = [1, channels, height, width]
    return helper.make_tensor_value_info(tensor.name, TensorProto.INT8, shape)
