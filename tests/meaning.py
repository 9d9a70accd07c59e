"""What a quantised ONNX model means: its operators in float, between the roundings it asks for.

onnxruntime's own quantised kernels do not serve as a reference: on x86 processors without VNNI they
saturate sums of products.  Here every operator that works on quantised values is written out as the
standard defines it, and float kernels compute it, node by node as the model has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import NodeProto, helper

Arrays = dict[str, npt.NDArray]


def evaluate(
    model: onnx.ModelProto | Path, inputs: Mapping[str, npt.NDArray], names: Sequence[str] = ()
) -> Arrays:
    """The outputs of a model by name, all or those asked for."""
    plain = written_out(model if isinstance(model, onnx.ModelProto) else onnx.load(model))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        plain.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = list(names) or [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def written_out(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without operators on quantised values; only their conversions are left."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[:]
    for number, node in enumerate(model.graph.node):
        expansion = _Expansion(node, f"expanded{number}")
        rule = _RULES.get(node.op_type)
        if rule is None:
            plain.graph.node.append(node)
            continue
        rule(expansion)
        plain.graph.node.extend(expansion.nodes)
    return plain


class _Expansion:
    """The nodes that stand for one, with names that no other has."""

    def __init__(self, node: NodeProto, prefix: str) -> None:
        self.inputs = list(node.input)
        self.attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        self.nodes: list[NodeProto] = []
        self._output = node.output[0]
        self._prefix = prefix

    def add(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        """A node; returns its output."""
        name = f"{self._prefix}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: float) -> str:
        return self.add("Constant", [], value=onnx.numpy_helper.from_array(np.float32(value)))

    def real(self, first: int, axis: int = 0) -> str:
        """The value whose quantised form, scale and zero point are the inputs from ``first`` on."""
        inputs = [name for name in self.inputs[first : first + 3] if name]
        return self.add("DequantizeLinear", inputs, axis=axis)

    def bias(self, position: int, scales: Sequence[int], factor: float = 1.0) -> list[str]:
        """A bias of 32 bits, if there is one: its scale is the product of those of the operands."""
        if position >= len(self.inputs) or not self.inputs[position]:
            return []
        scale = self.constant(factor)
        for number in scales:
            scale = self.add("Mul", [scale, self.inputs[number]])
        value = self.add("Cast", [self.inputs[position]], to=onnx.TensorProto.FLOAT)
        return [self.add("Mul", [value, scale])]

    def quantise(self, value: str, first: int) -> None:
        """The output, by the scale and zero point from ``first`` on."""
        inputs = [value, *(name for name in self.inputs[first : first + 2] if name)]
        self.nodes.append(helper.make_node("QuantizeLinear", inputs, [self._output]))


def _conv(it: _Expansion) -> None:
    inputs = [it.real(0), it.real(3), *it.bias(8, (1, 4))]
    it.quantise(it.add("Conv", inputs, **it.attributes), 6)


def _matmul(it: _Expansion) -> None:
    it.quantise(it.add("MatMul", [it.real(0), it.real(3, axis=1)]), 6)


def _gemm(it: _Expansion) -> None:
    axis = 0 if it.attributes.get("transB") else 1
    inputs = [it.real(0), it.real(3, axis), *it.bias(6, (1, 4), it.attributes.get("alpha", 1.0))]
    it.quantise(it.add("Gemm", inputs, **it.attributes), 7)


def _two_operands(kind: str) -> Callable[[_Expansion], None]:
    return lambda it: it.quantise(it.add(kind, [it.real(0), it.real(3)]), 6)


def _one_operand(kind: str) -> Callable[[_Expansion], None]:
    def rule(it: _Expansion) -> None:
        own = {name: value for name, value in it.attributes.items() if name not in _ONNXRUNTIMES}
        assert not it.attributes.get("channels_last")
        it.quantise(it.add(kind, [it.real(0)], **own), 3)

    return rule


def _concat(it: _Expansion) -> None:
    parts = [it.real(first) for first in range(2, len(it.inputs), 3)]
    it.quantise(it.add("Concat", parts, **it.attributes), 0)


_ONNXRUNTIMES = ("channels_last", "opset")  # attributes that the float operator does not have
_RULES: dict[str, Callable[[_Expansion], None]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearAdd": _two_operands("Add"),
    "QLinearMul": _two_operands("Mul"),
    "QLinearConcat": _concat,
    "QLinearAveragePool": _one_operand("AveragePool"),
    "QLinearGlobalAveragePool": _one_operand("GlobalAveragePool"),
    "QLinearSoftmax": _one_operand("Softmax"),
    "QLinearSigmoid": _one_operand("Sigmoid"),
    "QLinearLeakyRelu": _one_operand("LeakyRelu"),
}
