"""Functions of one value become one table, exact for all 256 values, however they are written.

The references are numpy in float64; nothing here evaluates a node.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from dse.network.graph import Conv, Pool
from dse.network.tensor import INT8_MAX, INT8_MIN
from dse.onnx.importer import check, load
from sim import golden

Reals = np.ndarray
Reference = Callable[[Reals], Reals]

TIE = 1e-3  # in units of the result: closer to the middle, float32 may round either way
EVERY = np.arange(INT8_MIN, INT8_MAX + 1)

erf = np.vectorize(math.erf)


def sigmoid(x: Reals) -> Reals:
    return 0.5 + 0.5 * np.tanh(x / 2)


def softplus(x: Reals) -> Reals:
    return np.logaddexp(0, x)


def gelu(x: Reals) -> Reals:
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def gelu_tanh(x: Reals) -> Reals:
    return x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def elu(alpha: float, gain: float = 1.0) -> Reference:
    return lambda x: gain * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


SELU = elu(1.6732632423543772, 1.0507009873554805)
UNARY: dict[str, tuple[dict, Reference]] = {
    "Abs": ({}, np.abs),
    "Ceil": ({}, np.ceil),
    "Celu": ({"alpha": 2.0}, lambda x: np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0) / 2))),
    "Elu": ({"alpha": 0.5}, elu(0.5)),
    "Erf": ({}, erf),
    "Exp": ({}, np.exp),
    "Floor": ({}, np.floor),
    "Gelu": ({"approximate": "none"}, gelu),
    "HardSigmoid": ({"alpha": 0.25, "beta": 0.5}, lambda x: np.clip(0.25 * x + 0.5, 0, 1)),
    "HardSwish": ({}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "LeakyRelu": ({"alpha": 0.125}, lambda x: np.where(x < 0, 0.125 * x, x)),
    "Mish": ({}, lambda x: x * np.tanh(softplus(x))),
    "Neg": ({}, np.negative),
    "Round": ({}, np.rint),
    "Selu": ({}, SELU),
    "Sigmoid": ({}, sigmoid),
    "Softplus": ({}, softplus),
    "Softsign": ({}, lambda x: x / (1 + np.abs(x))),
    "Tanh": ({}, np.tanh),
    "ThresholdedRelu": ({"alpha": 0.5}, lambda x: np.where(x > 0.5, x, 0)),
}
QUANTISATIONS = [
    (np.float32(0.05), np.uint8(117), np.float32(0.02), np.uint8(13)),
    (np.float32(2.0**-14), np.int8(-128), np.float32(2.0**-13), np.int8(127)),
    (np.float32(3.0), np.int8(127), np.float32(0.01), np.int8(-128)),
]


class Quantised:
    """A model of integers: what is rounded to what, one after the other."""

    def __init__(self, builder, kind: type = np.uint8) -> None:
        self.b, self.count = builder, 0
        builder.input(2, 16, 8)

    def pair(self, x: str, scale: np.float32, zero: np.generic) -> str:
        self.count += 1
        s, z = (f"{name}{self.count}" for name in "sz")
        self.b.constant(s, scale), self.b.constant(z, zero)
        x = self.b.node("QuantizeLinear", [x, s, z], f"q{self.count}")
        return self.b.node("DequantizeLinear", [x, s, z], f"d{self.count}")

    def node(self, op: str, *inputs: str | np.ndarray, **attributes) -> str:
        self.count += 1
        names = [
            x if isinstance(x, str) else self.b.constant(f"c{self.count}.{k}", x)
            for k, x in enumerate(inputs)
        ]
        return self.b.node(op, names, f"n{self.count}", **attributes)


def real(scale: np.float32, zero: np.generic) -> Reals:
    """What the 256 integers of a type mean, ascending."""
    shift = 128 if zero.dtype == np.uint8 else 0
    return np.float64(scale) * (EVERY + shift - int(zero))


def require_entries(path, reference: Reals, scale: np.float32, zero: np.generic) -> None:
    """The model is one table, whose entries are the nearest integers of the reference."""
    network = load(path).network
    (pool,) = network.operators
    assert isinstance(pool, Pool)
    image = np.resize(EVERY, network.tensors[pool.input].shape).astype(np.int8)
    found = golden.run(network, {pool.input: image})[pool.output].reshape(-1)
    by_value = np.empty(256, np.int64)
    by_value[image.reshape(-1).astype(np.int64) + 128] = found
    shift = 128 if zero.dtype == np.uint8 else 0
    wanted = reference / np.float64(scale) + int(zero) - shift
    off = np.abs(np.clip(wanted, INT8_MIN, INT8_MAX) - by_value)
    assert off.max() <= 0.5 + TIE


@pytest.mark.parametrize("quantisations", QUANTISATIONS, ids=["usual", "tiny", "huge"])
@pytest.mark.parametrize("op", UNARY)
def test_operators_of_one_value(builder, save, op: str, quantisations: tuple) -> None:
    sx, zx, sy, zy = quantisations
    attributes, reference = UNARY[op]
    m = Quantised(builder)
    y = m.pair(m.node(op, m.pair("x", sx, zx), **attributes), sy, zy)
    path = save(builder.model(y, opset=21))
    if op in ("Floor", "Ceil", "Round", "ThresholdedRelu"):  # their steps are where float32 is
        x = np.float64(np.float32(sx) * (real(np.float32(1), zx)).astype(np.float32))
    else:
        x = real(sx, zx)
    require_entries(path, reference(x), sy, zy)


CHAINS: dict[str, tuple[Callable[[Quantised, str], str], Reference]] = {
    "silu": (lambda m, x: m.node("Mul", x, m.node("Sigmoid", x)), lambda x: x * sigmoid(x)),
    "hard swish": (
        lambda m, x: m.node(
            "Div",
            m.node(
                "Mul",
                x,
                m.node(
                    "Clip",
                    m.node("Add", x, np.float32(3)),
                    np.float32(0),
                    np.float32(6),
                ),
            ),
            np.float32(6),
        ),
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
    ),
    "mish": (
        lambda m, x: m.node("Mul", m.node("Tanh", m.node("Softplus", x)), x),
        lambda x: x * np.tanh(softplus(x)),
    ),
    "gelu": (
        lambda m, x: m.node(
            "Mul",
            m.node("Mul", x, np.float32([0.5])),
            m.node(
                "Add", m.node("Erf", m.node("Div", x, np.float32(math.sqrt(2)))), np.float32(1)
            ),
        ),
        gelu,
    ),
    "microsoft gelu": (lambda m, x: m.node("Gelu", x, domain="com.microsoft"), gelu),
    "fast gelu": (lambda m, x: m.node("FastGelu", x, domain="com.microsoft"), gelu_tanh),
    "quick gelu": (
        lambda m, x: m.node("QuickGelu", x, domain="com.microsoft"),
        lambda x: x * sigmoid(1.702 * x),
    ),
    "gelu by tanh": (lambda m, x: m.node("Gelu", x, approximate="tanh"), gelu_tanh),
    "power": (lambda m, x: m.node("Pow", x, np.float32(3)), lambda x: x**3),
    "reciprocal": (lambda m, x: m.node("Div", np.float32(2), m.node("Add", x, np.float32(7))),
                   lambda x: 2 / (x + 7)),
    "bounds": (
        lambda m, x: m.node("Min", m.node("Max", m.node("Neg", x), np.float32(-1)), np.float32(2)),
        lambda x: np.clip(-x, -1, 2),
    ),
    "one slope": (lambda m, x: m.node("PRelu", x, np.float32([[[0.3]]])),
                  lambda x: np.where(x < 0, np.float32(0.3) * x, x)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_chains(builder, save, name: str) -> None:
    write, reference = CHAINS[name]
    sx, zx = np.float32(0.05), np.uint8(120)
    sy, zy = np.float32(0.04), np.uint8(19)
    m = Quantised(builder)
    path = save(builder.model(m.pair(write(m, m.pair("x", sx, zx)), sy, zy), opset=21))
    require_entries(path, reference(real(sx, zx)), sy, zy)


def test_roundings_within_a_chain_stay(builder, save) -> None:
    """x * sigmoid(x), each rounded, as quantisers write it: the coarse gate shows."""
    m = Quantised(builder)
    sx, zx, coarse = np.float32(0.05), np.uint8(120), np.float32(0.25)
    x = m.pair("x", sx, zx)
    gate = m.pair(m.node("Sigmoid", x), coarse, np.uint8(0))
    y = m.pair(m.node("Mul", x, gate), np.float32(0.03), np.uint8(10))
    path = save(builder.model(y, opset=21))
    value = real(sx, zx)
    rounded = np.rint(sigmoid(value) / coarse) * coarse
    require_entries(path, value * rounded, np.float32(0.03), np.uint8(10))


def test_operators_of_integers(builder, save) -> None:
    """QLinearSigmoid and QLinearMul of ONNX Runtime."""
    m = Quantised(builder)
    sx, zx, half = np.float32(0.05), np.uint8(120), np.float32(0.5)
    b = builder
    for name, value in {"sx": sx, "zx": zx, "half": half, "zero": np.uint8(0)}.items():
        b.constant(name, value)
    b.constant("sy", np.float32(0.03)), b.constant("zy", np.uint8(10))
    own = {"domain": "com.microsoft"}
    q = b.node("QuantizeLinear", ["x", "sx", "zx"], "q")
    gate = m.node("QLinearSigmoid", q, "sx", "zx", "half", "zero", **own)
    y = m.node("QLinearMul", q, "sx", "zx", gate, "half", "zero", "sy", "zy", **own)
    path = save(b.model(b.node("DequantizeLinear", [y, "sy", "zy"], "y")))
    value = real(sx, zx)
    rounded = np.rint(sigmoid(value) / half) * half
    require_entries(path, value * rounded, np.float32(0.03), np.uint8(10))


def test_what_is_no_number_is_zero_and_what_is_infinite_is_an_end(builder, save) -> None:
    m = Quantised(builder)
    y = m.pair(m.node("Log", m.pair("x", np.float32(0.1), np.int8(0))), np.float32(0.1), np.int8(5))
    network = load(save(builder.model(y))).network
    table = network.operators[0].table
    values = table(EVERY.astype(np.int8)).astype(int)
    assert set(values[:128]) == {5} and values[128] == -128
    wanted = np.log(np.arange(1, 128) * 0.1) / 0.1 + 5
    assert np.abs(np.clip(wanted, -128, 127) - values[129:]).max() <= 0.5 + TIE


def swish(b, x: str, name: str) -> str:
    return b.node("Mul", [x, b.node("Sigmoid", [x], f"{name}.gate")], name)


def images(builder, count: int = 3) -> dict[str, np.ndarray]:
    return {"x": builder.rng.normal(size=(count, 3, 9, 9)).astype(np.float32)}


def test_a_float_model_has_its_tables_behind_its_convolutions(builder, save) -> None:
    """Two blocks with a residual between them; correlation with numpy's own float convolution."""
    b = builder
    x = swish(b, b.conv(b.input(3, 9, 9), "a", 8, 3, 1), "act1")
    y = swish(b, b.conv(x, "b", 8, 8, 1), "act2")
    z = b.conv(b.node("Add", [x, y], "sum"), "c", 4, 8, 1)
    path = save(b.model(z))
    calibration = images(b)
    assert [kind for _, kind in check(path).layers] == [
        "conv",
        "table",
        "conv",
        "table",
        "add",
        "conv",
    ]
    imported = load(path, calibration)
    convs = list(imported.network.convolutions())
    assert [conv.table is not None for conv in convs] == [True, True, False]
    assert not any(isinstance(op, Pool) for op in imported.network.operators)
    first = {"x": calibration["x"][:1]}
    found = imported.host.after(first, golden.run(imported.network, imported.host.before(first)))
    weights = {one.name: one for one in b.constants}

    def pointwise(values: Reals, name: str) -> Reals:
        w = numpy_helper.to_array(weights[f"{name}.w"])[:, :, 0, 0].astype(np.float64)
        bias = numpy_helper.to_array(weights[f"{name}.b"]).astype(np.float64)
        return np.einsum("oc,chw->ohw", w, values) + bias[:, None, None]

    one = pointwise(first["x"][0].astype(np.float64), "a")
    one *= sigmoid(one)
    two = pointwise(one, "b")
    two *= sigmoid(two)
    wanted = pointwise(one + two, "c")
    assert np.corrcoef(wanted.ravel(), found[z].ravel())[0, 1] > 0.999


def test_a_value_that_others_read_is_no_part_of_a_chain(builder, save) -> None:
    """The gate is read by a convolution, too: two tables of one tensor."""
    b = builder
    x = b.conv(b.input(3, 9, 9), "a", 4, 3, 3)
    y = swish(b, x, "act")
    ends = [b.conv(y, "b", 2, 4, 1), b.conv("act.gate", "c", 2, 4, 1)]
    network = load(save(b.model(*ends)), images(b)).network
    kinds = [(type(op).__name__, op.table is not None) for op in network.operators]
    assert kinds == [("Conv", False), ("Pool", True), ("Pool", True), *[("Conv", False)] * 2]


def test_ranges_and_gains_alone_need_no_table(builder, save) -> None:
    b = builder
    x = b.node("Relu", [b.conv(b.input(3, 9, 9), "a", 4, 3, 3)], "r")
    x = b.node("Mul", [x, b.constant("two", np.float32(2))], "m")
    x = b.node("Clip", [x, b.constant("z", np.float32(0)), b.constant("s", np.float32(6))], "c")
    network = load(save(b.model(b.conv(x, "b", 4, 4, 1))), images(b)).network
    assert all(op.table is None for op in network.operators)


def test_the_host_keeps_what_only_it_needs(builder, save) -> None:
    """A float model's last Sigmoid is exact there; with a layer behind it, it is a table."""
    b = builder
    x = b.conv(b.input(3, 9, 9), "a", 4, 3, 3)
    report = check(save(b.model(b.node("Sigmoid", [x], "s"))))
    assert report.tail == ("s",)
    report = check(save(b.model(b.conv("s", "b", 4, 4, 1))))
    assert report.supported and report.tail == ()


@pytest.mark.parametrize("signs", [(0.1, 0.6), (-0.5, -0.1), (-0.5, 0.5)], ids=str)
@pytest.mark.parametrize("normalised", [False, True])
def test_a_slope_for_each_channel(builder, save, signs: tuple, normalised: bool) -> None:
    """Each half has a convolution of its own; nothing else reads the whole."""
    b = builder
    x = b.conv(b.input(3, 9, 9), "a", 8, 3, 1)
    if normalised:
        names = [b.constant(f"n{k}", b.rng.uniform(0.5, 1.5, 8).astype(np.float32)) for k in "sbmv"]
        x = b.node("BatchNormalization", [x, *names], "norm")
    slopes = b.rng.uniform(*signs, (8, 1, 1)).astype(np.float32)
    y = b.node("PRelu", [x, b.constant("slopes", slopes)], "prelu")
    path = save(b.model(y, b.conv(y, "b", 4, 8, 1)))
    calibration = images(b)
    imported = load(path, calibration)
    halves = 3 if min(signs) < 0 < max(signs) else 2
    assert len(list(imported.network.convolutions())) == halves + 1
    first = {"x": calibration["x"][:1]}
    found = imported.host.after(first, golden.run(imported.network, imported.host.before(first)))
    arrays = {one.name: numpy_helper.to_array(one).astype(np.float64) for one in b.constants}
    value = np.einsum("oc,chw->ohw", arrays["a.w"][:, :, 0, 0], first["x"][0].astype(np.float64))
    value += arrays["a.b"][:, None, None]
    if normalised:
        scale, offset, mean, variance = (arrays[f"n{k}"][:, None, None] for k in "sbmv")
        value = (value - mean) / np.sqrt(variance + 1e-5) * scale + offset
    wanted = np.where(value < 0, slopes * value, value)
    assert np.corrcoef(wanted.ravel(), found["prelu"].ravel())[0, 1] > 0.9995


def test_a_slope_for_each_channel_of_rounded_values(builder, save) -> None:
    """Within one unit: below zero it is rounded twice."""
    sx, zx, sy, zy = np.float32(0.05), np.uint8(120), np.float32(0.04), np.uint8(90)
    m = Quantised(builder)
    slopes = np.float32([[[0.3]], [[-0.4]]])
    y = m.pair(m.node("PRelu", m.pair("x", sx, zx), slopes), sy, zy)
    imported = load(save(builder.model(y)))
    network = imported.network
    image = np.stack([EVERY.reshape(16, 16)[:, :8]] * 2, axis=2).astype(np.int8)
    found = golden.run(network, {network.inputs[0]: image})[network.outputs[0]].astype(int)
    value = (image.astype(int) + 128 - int(zx)) * np.float64(sx)
    wanted = np.where(value < 0, slopes.reshape(-1) * value, value) / np.float64(sy)
    wanted = np.clip(wanted + int(zy) - 128, INT8_MIN, INT8_MAX)
    assert np.abs(found - wanted).max() <= 1 + TIE


def test_integers_that_mean_nothing_else(builder, save) -> None:
    """Abs of raw integers is the host's: their scale is not the table's to know."""
    b = builder
    b.input(2, 4, 4, dtype=TensorProto.INT8)
    x = b.node("Cast", [b.node("Abs", ["x"], "abs")], "real", to=TensorProto.FLOAT)
    path = save(b.model(b.conv(x, "c", 2, 2, 1)))
    assert check(path).head == ("abs", "real")
    assert len(load(path, {"x": np.ones((1, 2, 4, 4), np.int8)}).network.operators) == 1


def test_tables_are_part_of_the_outline(builder, save) -> None:
    from dse.onnx.importer import outline

    b = builder
    x = swish(b, b.conv(b.input(3, 9, 9), "a", 4, 3, 3), "act")
    path = save(b.model(b.conv(x, "b", 4, 4, 1)))
    first, second = outline(path).operators
    assert isinstance(first, Conv) and first.table is not None and not first.table.entries
    assert second.table is None
