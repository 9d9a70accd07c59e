"""Every quantised operator of onnxruntime, one at a time: within one unit of what it means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dse.onnx.importer import check, load
from sim import golden
from tests.meaning import evaluate

DTYPES = [np.uint8, np.int8]
TYPES = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}


@pytest.fixture(params=DTYPES, ids=["uint8", "int8"])
def dtype(request) -> type:
    return request.param


@pytest.fixture
def quantised(builder, dtype) -> Callable[..., list[str]]:
    """The names of a scale and zero point (given as an int8 value) of the model's type."""

    def make(name: str, scale: float, zero_point: int) -> list[str]:
        zero = zero_point + (128 if dtype == np.uint8 else 0)
        return [
            builder.constant(f"{name}.scale", np.float32(scale)),
            builder.constant(f"{name}.zero", np.array(zero, dtype)),
        ]

    return make


@pytest.fixture
def agree(builder, dtype, save) -> Callable[..., None]:
    """Run a model with quantised inputs and one quantised output on both sides."""

    def run(**shapes: tuple[int, ...]) -> None:
        builder.inputs = [
            helper.make_tensor_value_info(name, TYPES[dtype], ["n", *shape])
            for name, shape in shapes.items()
        ]
        model = builder.model("y")
        model.graph.output[0].type.tensor_type.elem_type = TYPES[dtype]
        path = save(model)
        assert check(path).kind == "quantised"
        imported = load(path)
        rng = np.random.default_rng(11)
        limits = np.iinfo(dtype)
        inputs = {
            name: rng.integers(limits.min, limits.max, (1, *shape), dtype, endpoint=True)
            for name, shape in shapes.items()
        }
        expected = evaluate(path, inputs)["y"]
        tensors = golden.run(imported.network, imported.host.before(inputs))
        actual = imported.host.after(inputs, tensors)["y"]
        assert actual.dtype == expected.dtype and actual.shape == expected.shape
        assert np.unique(actual).size > 3
        assert np.abs(actual.astype(int) - expected).max() <= 1

    return run


def weights(builder, name: str, *shape: int) -> list[str]:
    values = builder.rng.integers(-127, 128, shape, np.int8)
    return [
        builder.constant(name, values),
        builder.constant(f"{name}.scale", np.float32(0.01)),
        builder.constant(f"{name}.zero", np.array(0, np.int8)),
    ]


def test_qlinear_conv(builder, quantised, agree) -> None:
    b = builder
    scales = b.constant("scales", np.linspace(0.005, 0.02, 6, dtype=np.float32))
    zeros = b.constant("zeros", np.zeros(6, np.int8))
    bias = b.constant("bias", b.rng.integers(-3000, 3000, 6).astype(np.int32))
    w = weights(b, "w", 6, 2, 3, 3)[0]
    inputs = ["x", *quantised("x", 0.05, 7), w, scales, zeros, *quantised("y", 0.1, -20), bias]
    b.node("QLinearConv", inputs, "y", group=2, pads=[1, 0, 2, 1], strides=[1, 2])
    agree(x=(4, 9, 8))


def test_qlinear_matmul(builder, quantised, agree) -> None:
    inputs = [
        "x",
        *quantised("x", 0.05, -7),
        *weights(builder, "w", 12, 5),
        *quantised("y", 0.2, 3),
    ]
    builder.node("QLinearMatMul", inputs, "y")
    agree(x=(12,))


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("transposed", [0, 1])
def test_qgemm(builder, quantised, agree, alpha: float, transposed: int) -> None:
    b = builder
    shape = (5, 12) if transposed else (12, 5)
    bias = b.constant("bias", b.rng.integers(-3000, 3000, 5).astype(np.int32))
    inputs = [
        "x",
        *quantised("x", 0.05, 9),
        *weights(b, "w", *shape),
        bias,
        *quantised("y", 0.2, 3),
    ]
    b.node("QGemm", inputs, "y", domain="com.microsoft", transB=transposed, alpha=alpha)
    agree(x=(12,))


def test_qlinear_add(builder, quantised, agree) -> None:
    inputs = [
        "a",
        *quantised("a", 0.05, 9),
        "b",
        *quantised("b", 0.11, -9),
        *quantised("y", 0.1, 3),
    ]
    builder.node("QLinearAdd", inputs, "y", domain="com.microsoft")
    agree(a=(4, 5, 6), b=(4, 5, 6))


def test_qlinear_add_of_a_constant(builder, quantised, agree, dtype) -> None:
    offset = builder.constant("offset", builder.rng.integers(1, 100, (1, 4, 1, 1)).astype(dtype))
    constant = [offset, *quantised("b", 0.11, -9)]
    inputs = [*constant, "a", *quantised("a", 0.05, 9), *quantised("y", 0.1, 3)]
    builder.node("QLinearAdd", inputs, "y", domain="com.microsoft")
    agree(a=(4, 5, 6))


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 1, 1)])
@pytest.mark.parametrize("gate_first", [False, True])
def test_qlinear_mul(builder, quantised, agree, shape, gate_first: bool) -> None:
    one, other = ["a", *quantised("a", 0.05, 9)], ["b", *quantised("b", 0.11, -9)]
    operands = [*other, *one] if gate_first else [*one, *other]
    inputs = [*operands, *quantised("y", 0.3, 3)]
    builder.node("QLinearMul", inputs, "y", domain="com.microsoft")
    agree(a=(4, 5, 6), b=shape)


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 1, 1)])
def test_mul_between_roundings(builder, quantised, agree, shape) -> None:
    b = builder
    for name, zero_point in (("a", -128), ("b", 50)):
        b.node("DequantizeLinear", [name, *quantised(name, 0.05, zero_point)], f"{name}.real")
    b.node("Mul", ["a.real", "b.real"], "product")
    b.node("QuantizeLinear", ["product", *quantised("y", 0.4, 3)], "y")
    agree(a=(4, 5, 6), b=shape)


def test_qlinear_mul_by_a_constant(builder, quantised, agree, dtype) -> None:
    gain = builder.constant("gain", builder.rng.integers(1, 100, (1, 4, 1, 1)).astype(dtype))
    inputs = [gain, *quantised("b", 0.11, -9), "a", *quantised("a", 0.05, 9)]
    inputs += quantised("y", 0.3, 3)
    builder.node("QLinearMul", inputs, "y", domain="com.microsoft")
    agree(a=(4, 5, 6))


def test_sum_of_three(builder, quantised, agree) -> None:
    """The intermediate sum, whose scale no one gives, must neither saturate nor be coarse."""
    b = builder
    for name, zero_point in (("a", 9), ("b", -100), ("c", 50)):
        b.node("DequantizeLinear", [name, *quantised(name, 0.05, zero_point)], f"{name}.real")
    b.node("Sum", ["a.real", "b.real", "c.real"], "sum")
    b.node("QuantizeLinear", ["sum", *quantised("y", 0.15, 3)], "y")
    agree(a=(4, 5, 6), b=(4, 5, 6), c=(4, 5, 6))


def test_qlinear_concat(builder, quantised, agree) -> None:
    """Inputs of other scales are requantised."""
    inputs = [*quantised("y", 0.1, 3), "a", *quantised("a", 0.05, 9), "b", *quantised("b", 0.1, 3)]
    builder.node("QLinearConcat", inputs, "y", domain="com.microsoft", axis=1)
    agree(a=(4, 5, 6), b=(3, 5, 6))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_qlinear_concat_of_one_input(builder, quantised, agree, axis: int) -> None:
    """It changes the scale of its result alone."""
    b, domain = builder, {"domain": "com.microsoft"}
    after, before = quantised("y", 0.1, 3), quantised("a", 0.05, 9)
    b.node("QLinearConcat", [*after, "a", *before], "alone", axis=axis, **domain)
    b.node("QLinearConcat", [*after, "alone", *after, "a", *before], "y", axis=1, **domain)
    agree(a=(4, 5, 6))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_layer_behind_a_qlinear_concat(builder, quantised, agree, axis: int) -> None:
    """A scale that both inputs do not have is no reason to leave it to the host."""
    b = builder
    between, before = quantised("b", 0.1, 3), quantised("a", 0.05, 9)
    inputs = [*between, "a", *before, "a", *before]
    b.node("QLinearConcat", inputs, "both", domain="com.microsoft", axis=axis)
    channels = 8 if axis == 1 else 4
    operands = [*weights(b, "w", 5, channels, 3, 3), *quantised("y", 0.5, -7)]
    b.node("QLinearConv", ["both", *between, *operands], "y")
    agree(a=(4, 5, 6))


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("scales", [(0.05, 0.1), (0.1, 0.05)])
def test_concat_of_other_scales(builder, quantised, agree, scales, axis: int) -> None:
    """The result has the scale that the model gives it, whichever input comes first."""
    b = builder
    for name, scale, zero_point in zip("ab", scales, (9, 3), strict=True):
        b.node("DequantizeLinear", [name, *quantised(name, scale, zero_point)], f"{name}.real")
    b.node("Concat", ["a.real", "b.real"], "joined", axis=axis)
    b.node("QuantizeLinear", ["joined", *quantised("y", 0.1, 3)], "y")
    agree(a=(4, 5, 6), b=(4, 5, 6))


@pytest.mark.parametrize("include", [0, 1])
def test_qlinear_average_pool(builder, quantised, agree, include: int) -> None:
    inputs = ["x", *quantised("x", 0.05, 9), *quantised("y", 0.03, 3)]
    window = {"kernel_shape": [3, 2], "pads": [1, 1, 2, 0], "strides": [2, 1]}
    builder.node(
        "QLinearAveragePool",
        inputs,
        "y",
        domain="com.microsoft",
        count_include_pad=include,
        **window,
    )
    agree(x=(4, 9, 8))


def test_qlinear_global_average_pool(builder, quantised, agree) -> None:
    inputs = ["x", *quantised("x", 0.05, 9), *quantised("y", 0.01, 3)]
    builder.node("QLinearGlobalAveragePool", inputs, "y", domain="com.microsoft")
    agree(x=(16, 9, 8))


def test_max_pool_and_clip_of_integers(builder, quantised, agree, dtype) -> None:
    """Both work on the integers themselves."""
    b = builder
    inputs = ["x", *quantised("x", 0.05, 9), *weights(b, "v", 4, 4, 1, 1)]
    b.node("QLinearConv", [*inputs, *quantised("a", 0.1, -20)], "a")
    b.node("MaxPool", ["a"], "pooled", kernel_shape=[2, 3], pads=[0, 1, 1, 0])
    bounds = [b.constant(n, np.array(v, dtype)) for n, v in (("low", 30), ("high", 90))]
    b.node("Clip", ["pooled", *bounds], "clipped")
    inputs = ["clipped", "a.scale", "a.zero", *weights(b, "w", 6, 4, 1, 1)]
    b.node("QLinearConv", [*inputs, *quantised("y", 0.1, -20)], "y")
    agree(x=(4, 9, 8))


def test_requantisation(builder, quantised, agree) -> None:
    """A tensor written with one scale and read through another."""
    b = builder
    b.node("DequantizeLinear", ["x", *quantised("x", 0.05, 9)], "real")
    b.node("Relu", ["real"], "relu")
    b.node("QuantizeLinear", ["relu", *quantised("a", 0.04, -128)], "first")
    b.node("DequantizeLinear", ["first", "a.scale", "a.zero"], "real2")
    b.node("QuantizeLinear", ["real2", *quantised("y", 0.07, -3)], "y")
    agree(x=(4, 5, 6))


def one_conv(builder, weight: np.ndarray, axis: int = 0, scales: int = 1) -> onnx.ModelProto:
    b = builder
    b.input(4, 5, 5)
    scale, zero = b.constant("s", np.float32(0.05)), b.constant("z", np.array(0, np.int8))
    b.node("QuantizeLinear", ["x", scale, zero], "xq")
    b.node("DequantizeLinear", ["xq", scale, zero], "xr")
    ws = b.constant("ws", np.full(scales, 0.01, np.float32) if scales > 1 else np.float32(0.01))
    b.node("DequantizeLinear", [b.constant("w", weight), ws], "wr", axis=axis)
    b.node("Conv", ["xr", "wr"], "conv")
    b.node("QuantizeLinear", ["conv", scale, zero], "yq")
    b.node("DequantizeLinear", ["yq", scale, zero], "y")
    return b.model("y")


def test_scales_along_the_inputs_are_reported(builder, save) -> None:
    weight = np.ones((3, 4, 1, 1), np.int8)
    (problem,) = check(save(one_conv(builder, weight, axis=1, scales=4))).problems
    assert "not per output channel" in problem.reason
