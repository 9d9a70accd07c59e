"""Where an ONNX operator may run when it is not lowered: before, after, or only on the overlay."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEAD = _names(
    "Add BatchNormalization Cast DequantizeLinear Div Dropout Flatten Gather Identity Mul Pad"
    " QuantizeLinear Reshape Slice Squeeze Sub Transpose Unsqueeze"
)
"""Operators of one variable that the host runs before the overlay: preprocessing of the images."""

MOVES = _names("Dropout Flatten Gather Identity Reshape Slice Squeeze Transpose Unsqueeze")
"""Of these, those that leave all values as they are."""

TAIL = _names(
    "Add ArgMax ArgMin Cast Concat DepthToSpace Div Exp Expand Flatten Gather HardSigmoid Log"
    " LogSoftmax LpNormalization Mul NonMaxSuppression Pow QLinearSigmoid QLinearSoftmax ReduceL2"
    " ReduceMax ReduceMean ReduceMin ReduceSum Reshape Resize Shape Sigmoid Slice Softmax Softplus"
    " Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Unsqueeze Upsample"
)
"""Operators the host may run after the overlay if no compute operator follows them."""

MOVED_AT_THE_END = _names("Resize Upsample")
"""Of these, those that only move values: the overlay does that for layers of its own alone."""

COMPUTE = _names(
    "AveragePool BatchNormalization Conv ConvInteger ConvTranspose Einsum FusedConv Gemm"
    " GlobalAveragePool GlobalMaxPool GRU InstanceNormalization LRN LSTM MatMul MatMulInteger"
    " MaxPool QGemm QLinearAveragePool QLinearConv QLinearGlobalAveragePool QLinearMatMul RNN"
)
"""Operators whose place is on the overlay: what comes before them cannot be the tail."""

RANDOM = _names(
    "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"
)
"""Operators whose output is not constant though all inputs are."""
