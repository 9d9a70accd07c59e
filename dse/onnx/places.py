"""Kinds of ONNX operators, as far as they decide where a node runs."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from dse.onnx.source import node_inputs, operator


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEAD = _names(
    "Add BatchNormalization Cast DequantizeLinear Div Dropout Flatten Gather Identity Mul Pad"
    " QuantizeLinear Reshape Slice Squeeze Sub Transpose Unsqueeze"
)
"""Operators of one variable that stay on the host if that has it: they prepare it for a layer."""

MOVES = _names("Dropout Flatten Gather Identity Reshape Slice Squeeze Transpose Unsqueeze")
"""Of these, those that leave all values as they are."""

TAIL = _names(
    "Add Cast Div Exp HardSigmoid Log Mul Pow QLinearSigmoid Sigmoid Softplus Sqrt Sub Tanh"
)
"""Functions of one value that the host computes in float if no layer follows them."""

INTEGER_PRODUCTS = _names(
    "ConvInteger DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulInteger MatMulIntegerToFloat"
    " QAttention QGemm QLinearConv QLinearMatMul"
)
"""Operators that the host must not run: onnxruntime's sums of products saturate on some
processors, so that the same model would give different answers on different machines."""

MOVED_AT_THE_END = _names("Resize Upsample")
"""Operators that only move values: the overlay does that for layers of its own alone."""

COMPUTE = _names(
    "AveragePool BatchNormalization Conv ConvInteger ConvTranspose Einsum FusedConv Gemm"
    " GlobalAveragePool GlobalMaxPool GRU InstanceNormalization LRN LSTM MatMul MatMulInteger"
    " MaxPool QGemm QLinearAveragePool QLinearConv QLinearGlobalAveragePool QLinearMatMul RNN"
)
"""Operators whose place is on the overlay: what comes before them is worth lowering."""

RANDOM = _names(
    "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"
)
"""Operators whose output is not constant though all inputs are."""


def before_compute(nodes: Sequence[onnx.NodeProto]) -> set[int]:
    """Indices of the nodes from which a compute operator can be reached."""
    needed: set[str] = set()
    found = set()
    for index, node in reversed(list(enumerate(nodes))):
        feeds = any(name in needed for name in node.output)
        if feeds:
            found.add(index)
        if feeds or operator(node) in COMPUTE:
            needed.update(node_inputs(node))
    return found
