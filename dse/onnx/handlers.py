"""Which ONNX operator is lowered by which function."""

from __future__ import annotations

from dse.onnx import lower_dense as dense
from dse.onnx import lower_enlarge as enlarge
from dse.onnx import lower_normalise as normalise
from dse.onnx import lower_pad as padding
from dse.onnx import lower_pointwise as pointwise
from dse.onnx import lower_pool as pool
from dse.onnx import lower_quantised as quantised
from dse.onnx import lower_shape as shape
from dse.onnx import lower_view as view
from dse.onnx import lower_window as window
from dse.onnx import slopes
from dse.onnx.lowering import Handler

HANDLERS: dict[str, Handler] = {
    "Add": pointwise.arithmetic,
    "AveragePool": pool.average_pool,
    "BatchNormalization": pointwise.batch_normalisation,
    "Cast": pointwise.cast_,
    "Clip": pointwise.clip,
    "Concat": pointwise.concat,
    "Conv": window.conv,
    "ConvTranspose": enlarge.conv_transpose,
    "DepthToSpace": view.depth_to_space,
    "DequantizeLinear": quantised.dequantize_linear,
    "Div": pointwise.arithmetic,
    "Dropout": pointwise.identity,
    "Flatten": shape.flatten,
    "Gather": view.gather,
    "Gemm": dense.gemm,
    "GlobalAveragePool": pool.global_average_pool,
    "GlobalMaxPool": pool.global_max_pool,
    "Identity": pointwise.identity,
    "LRN": normalise.lrn,
    "MatMul": dense.matmul,
    "Max": pointwise.extremum,
    "MaxPool": pool.max_pool,
    "Min": pointwise.extremum,
    "Mul": pointwise.arithmetic,
    "Pad": padding.pad,
    "PRelu": slopes.prelu,
    "QGemm": quantised.qgemm,
    "QLinearAdd": quantised.qlinear_add,
    "QLinearAveragePool": quantised.qlinear_average_pool,
    "QLinearConcat": quantised.qlinear_concat,
    "QLinearConv": quantised.qlinear_conv,
    "QLinearGlobalAveragePool": quantised.qlinear_global_average_pool,
    "QLinearMatMul": quantised.qlinear_matmul,
    "QLinearMul": quantised.qlinear_mul,
    "QuantizeLinear": quantised.quantize_linear,
    "ReduceMax": pool.reduce_max,
    "ReduceMean": pool.reduce_mean,
    "Relu": pointwise.relu,
    "Reshape": shape.reshape,
    "Resize": enlarge.resize,
    "Shape": shape.shape,
    "Slice": view.slice_,
    "SpaceToDepth": view.space_to_depth,
    "Split": view.split,
    "Squeeze": shape.squeeze,
    "Sub": pointwise.arithmetic,
    "Sum": pointwise.sum_,
    "Transpose": view.transpose,
    "Unsqueeze": shape.unsqueeze,
    "Upsample": enlarge.resize,
}
"""By operator name; ONNX Runtime's own operators need no domain."""

WEIGHTS: dict[str, Handler] = {
    "Conv": window.check_weights,
    "ConvTranspose": enlarge.check_transposed,
    "Gemm": dense.check_gemm,
    "MatMul": dense.check_matmul,
    "QGemm": quantised.check_gemm,
    "QLinearConv": quantised.check_conv,
    "QLinearMatMul": quantised.check_matmul,
}
"""What can be said of layers whose inputs have unknown shapes: whether their weights are legal."""
