"""Local response normalisation in ONNX models: one node or written out, and what it becomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import (
    Conv,
    Gain,
    Network,
    NetworkError,
    Normalisation,
    Pool,
    Quantisation,
    Window,
)
from dse.network.numbers import with_random_numbers, without_numbers
from dse.onnx.importer import check, load
from hw.isa.config import ConfigError, OverlayConfig
from sim import golden
from tests.kit.answers import off
from tests.rtl.test_normalisation import normalised
from tests.sim.test_functional import SMALL, Builder, branchy

SIZES = (1, 3, 5)


def written_out(b, x: str, name: str, channels: int, size: int) -> str:
    """As torch writes it out: a mean over the depth of an image whose depth are the channels."""
    shapes = {"to": (1, 1, channels, 8, 8), "back": (1, channels, 8, 8)}
    to, back = (b.constant(f"{name}/{k}", np.int64(v)) for k, v in shapes.items())
    ends = [0, 0, size // 2, 0, 0, 0, 0, size // 2, 0, 0]
    pads = b.constant(f"{name}/pads", np.int64(ends))
    alpha, k, beta = (
        b.constant(f"{name}/{n}", np.float32(v)) for n, v in (("a", 0.7), ("k", 1.5), ("b", 0.75))
    )
    y = b.node("Reshape", [b.node("Mul", [x, x], f"{name}/squares"), to], f"{name}/deep")
    y = b.node("Pad", [y, pads], f"{name}/padded")
    y = b.node("AveragePool", [y], f"{name}/means", kernel_shape=[size, 1, 1])
    y = b.node("Reshape", [y, back], f"{name}/flat")
    y = b.node("Add", [b.node("Mul", [y, alpha], f"{name}/scaled"), k], f"{name}/sum")
    return b.node("Div", [x, b.node("Pow", [y, beta], f"{name}/power")], name)


def model(b, size: int, written: bool, *, pooled: bool = True, channels: int = 6):
    x = b.relu(b.conv(b.input(3, 8, 8), "stem", channels, 3, 3, pads=[1, 1, 1, 1]))
    if written:
        x = written_out(b, x, "response", channels, size)
    else:
        x = b.node("LRN", [x], "response", size=size, alpha=0.7, beta=0.75, bias=1.5)
    if pooled:
        x = b.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[2, 2])
    return b.model(b.conv(x, "last", 4, channels, 1))


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_answers_are_the_models(builder, tmp_path, size: int, written: bool) -> None:
    images = {"x": np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)}
    made = model(builder, size, written)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert off(made, images, tmp_path, calibrated=True) < 0.03


@pytest.mark.parametrize("written", [False, True])
def test_a_maximum_normalises_its_own_taps(builder, save, written: bool) -> None:
    images = {"x": np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)}
    made = model(builder, 5, written)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    imported = load(save(made), images)
    assert [type(op) for op in imported.network.operators] == [Conv, Pool, Conv]
    (known,) = imported.network.normalisations
    assert known.reach == 2
    assert len(imported.segments) == 1


def test_what_others_read_too_stays_apart(builder, save) -> None:
    b = builder
    x = b.conv(b.input(3, 8, 8), "stem", 6, 3, 3)
    x = b.node("LRN", [x], "response", size=5)
    y = b.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    images = {"x": np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)}
    both = [b.conv(x, "one", 2, 6, 1), b.conv(y, "other", 2, 6, 1)]
    pools = [
        op for op in load(save(b.model(*both)), images).network.operators if isinstance(op, Pool)
    ]
    assert [bool(pool.normalisation) for pool in pools] == [True, False]


@pytest.mark.parametrize(
    ("attributes", "reason", "hosted"),
    [
        ({"size": 7}, "it sums 7 channels", True),
        ({"size": 3, "bias": 0.0}, "no falling function", True),
        ({"size": 4}, "it sums 4 channels", False),  # onnxruntime has odd sizes only
        ({"size": 3, "beta": -0.5}, "no falling function", False),
    ],
)
def test_others_are_the_hosts(builder, save, attributes, reason, hosted) -> None:
    b = builder
    x = b.node("LRN", [b.conv(b.input(3, 8, 8), "stem", 9, 3, 3)], "response", **attributes)
    path = save(b.model(b.conv(x, "last", 2, 9, 1)))
    problems = check(path, strict=True).problems
    assert {problem.name for problem in problems} == {"response"}
    assert any(reason in problem.reason for problem in problems)
    assert check(path).supported == hosted


def test_nodes_with_the_ends_of_one_that_compute_something_else(builder, save) -> None:
    """Means over rows: the host's, as before."""
    made = model(builder, 3, written=True)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    (pool,) = (node for node in made.graph.node if node.op_type == "AveragePool")
    kernel = next(a for a in pool.attribute if a.name == "kernel_shape")
    kernel.ints[:] = [1, 3, 1]
    pads = next(t for t in made.graph.initializer if t.name == "response/pads")
    pads.CopyFrom(onnx.numpy_helper.from_array(np.int64([0, 0, 0, 1, 0, 0, 0, 0, 1, 0]), pads.name))
    operators = {problem.operator for problem in check(save(made), strict=True).problems}
    assert "AveragePool" in operators


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("strength", [1e-6, 1e-5, 1e-4])
def test_arithmetic_is_near_float(size: int, strength: float) -> None:
    """From gains that hardly change to gains that fall to a tenth."""
    rng = np.random.default_rng(size)
    b = Builder(rng)
    x = b.input(9, 9, 11)
    b.tensors[x] = replace(b.tensors[x], quantisation=Quantisation(0.05, -128))
    gain = Gain(strength / 0.05**2 / size, 0.75, 2.0)
    y = b.tensor((9, 9, 11))
    known = Normalisation(size // 2, gain)
    b.operators.append(Pool("one", x, y, "max", Window(), normalisation=known))
    values = np.clip(rng.exponential(40, (9, 9, 11)) - 128, -128, 127).astype(np.int8)
    real = (values.astype(float) + 128) * 0.05
    exact = np.empty_like(real)
    for c in range(11):
        near = real[:, :, max(0, c - size // 2) : c + size // 2 + 1]
        exact[:, :, c] = real[:, :, c] / (2 + gain.alpha * (near**2).sum(axis=2)) ** 0.75
    scale = float(exact.max()) / 255
    b.tensors[y] = replace(b.tensors[y], quantisation=Quantisation(scale, -128))
    found = golden.run(b.build(y), {x: values})[y].astype(float) + 128
    difference = found - exact / scale
    assert np.abs(difference).max() < 255 / 64 and difference.std() < 1


def test_an_overlay_without_it_refuses() -> None:
    with pytest.raises(ProgramError, match="normalises across channels, the overlay cannot"):
        compile_network(normalised(1), replace(SMALL, normalisation=0))


def test_a_configuration_without_it_is_the_one_of_before() -> None:
    data = OverlayConfig().to_json()
    assert data.pop("normalisation") == 0
    assert OverlayConfig.from_json(data).hash == OverlayConfig().hash
    assert OverlayConfig(normalisation=1).hash != OverlayConfig().hash
    with pytest.raises(ConfigError, match="normalisation must be 0 without products or tables"):
        OverlayConfig(normalisation=1, products=0)
    with pytest.raises(ConfigError, match="normalisation must be 0 in words of 4 bytes"):
        OverlayConfig(rows=2, columns=2, axi_bytes=4, normalisation=1)


def test_programs_without_it_are_the_same_on_any_overlay() -> None:
    programs = [compile_network(branchy(), replace(SMALL, normalisation=n)) for n in (0, 1)]
    first, second = (program.instructions[1:-1] for program in programs)
    assert first == second


def test_an_outline_normalises_too() -> None:
    outline = without_numbers(normalised(1))
    assert outline.is_outline and len(outline.normalisations) == len(normalised(1).normalisations)
    numbered = with_random_numbers(outline)
    compile_network(numbered, replace(SMALL, normalisation=1, tensor_bytes=1 << 14))


def test_a_network_refuses_what_none_can_be() -> None:
    network: Network = normalised(1)
    op = next(op for op in network.operators if isinstance(op, Pool) and op.normalisation)
    average = [replace(op, kind="average") if one is op else one for one in network.operators]
    with pytest.raises(NetworkError, match="only a maximum alone normalises"):
        replace(network, operators=tuple(average))
    with pytest.raises(NetworkError, match="at most 2 are possible"):
        Normalisation(3, Gain(1.0, 1.0, 1.0))
