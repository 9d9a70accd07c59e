"""Names that users give to tensors and nodes: none collides with one that the tools make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from dse.compile.compiler import compile_network
from dse.network.graph import NetworkError, Quantisation
from dse.network.inputs import images, join
from dse.onnx import integers as finish
from dse.onnx.draft import Draft, DraftLayer, DraftTensor
from dse.onnx.importer import Imported, check, load
from dse.passes.fold import fold
from dse.passes.space_to_depth import space_to_depth
from sim import golden
from tests.rtl.overlays import OVERLAYS

AWKWARD = (
    "t_scale",
    "t_zero_point",
    "t_QuantizeLinear_Input",
    "t_QuantizeLinear_Output",
    "t_DequantizeLinear_Output",
    "t_ReduceMax",
    "t/unlimited",
    "first/weight",
    "first/range",
    "t0",
    "n0",
    "t0_scale",
    "Grüße/漢字 \\ \"'`$(x)",
    "../../etc/passwd",
    "a" * 3000,
    " ",
    "module",
    "x.folded",
)


def _model(builder, t: str, y: str, nodes: tuple[str, str, str]) -> onnx.ModelProto:
    b = builder
    b.input(3, 8, 8)
    weights = b.weight("w1", 4, 3, 3, 3), b.weight("w2", 4, 4, 3, 3)
    first, second, joined = nodes
    b.nodes += [
        helper.make_node("Conv", ["x", weights[0]], ["c"], first, strides=[2, 2]),
        helper.make_node("Relu", ["c"], [t], "relu"),
        helper.make_node("Conv", [t, weights[1]], [y], second, pads=[1, 1, 1, 1]),
        helper.make_node("Concat", [t, y], ["joined"], joined, axis=1),
    ]
    return b.model(y, "joined")


def _answers(path: Path, image: np.ndarray) -> tuple[Imported, dict[str, np.ndarray]]:
    imported = load(path, {"x": image})
    network, host = imported.network, imported.host
    runs = [host.after(i, golden.run(network, host.before(i))) for i in images({"x": image})]
    return imported, join(runs)


@pytest.mark.parametrize("name", AWKWARD)
def test_any_name_of_a_tensor_or_node(builder, save, name: str) -> None:
    """Names change no value, on the way to a program, either."""
    image = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    plain = _model(builder, "t", "y", ("first", "second", "joined"))
    _, expected = _answers(save(plain), image)
    builder.__init__()
    awkward = _model(builder, "t", name, ("first", name, "x"))
    imported, found = _answers(save(awkward), image)
    assert list(found) == [name, "joined"]
    np.testing.assert_array_equal(found[name], expected["y"])
    np.testing.assert_array_equal(found["joined"], expected["joined"])
    program = compile_network(imported.network, OVERLAYS["3x4"])
    assert {tensor.name for tensor in program.manifest.outputs} == set(imported.network.outputs)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["", "a", "a_2", "a.1", "x", "t"]), min_size=3, max_size=3))
def test_nodes_may_share_a_name_or_have_none(tmp_path: Path, nodes: list[str]) -> None:
    from tests.dse.network.conftest import Builder

    path = tmp_path / "model.onnx"
    onnx.save(_model(Builder(), "t", "y", tuple(nodes)), path)
    imported, _ = _answers(path, np.ones((1, 3, 8, 8), np.float32))
    names = [op.name for op in imported.network.operators]
    assert len(set(names)) == len(names) and check(path).supported


def test_passes_make_names_that_no_one_has(builder, save) -> None:
    """``first.blocks`` and ``second.unfold`` are the user's own here."""
    model = _model(builder, "first.blocks", "second.unfold", ("first", "second", "y"))
    network = load(save(model), {"x": np.ones((1, 3, 8, 8), np.float32)}).network
    blocked = space_to_depth(network)
    assert len(blocked.operators) == len(network.operators) + 1
    assert len(blocked.tensors) == len(network.tensors) + 1
    plain = builder.__class__()
    alone = plain.model(
        plain.relu(plain.conv(plain.input(3, 8, 8), "c.unfold", 4, 3, 3, pads=[1, 1, 1, 1]))
    )
    network = load(save(alone), {"x": np.ones((1, 3, 8, 8), np.float32)}).network
    assert len(fold(network, {"c.unfold": 2}).operators) == 2


_FEW = np.float32([[[-0.5]], [[0.1]], [[0.5]], [[2]]])
_TWICE = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


@pytest.mark.parametrize(
    ("op", "operands", "attributes"),
    [
        ("Max", ("a", "b", "c"), {}),
        ("Sum", ("a", "b", "c"), {}),
        ("PRelu", ("a", _FEW), {}),
        ("Pad", ("a", np.int64([0, 0, 1, 1, 0, 0, 1, 1])), {"mode": "reflect"}),
        ("Resize", ("a", np.float32([]), np.float32([1, 1, 2, 2])), _TWICE),
    ],
)
def test_a_tensor_of_the_models_name_is_the_models(
    builder, save, op: str, operands, attributes: dict[str, str]
) -> None:
    """Not a part of it, though a node becomes several layers."""
    b = builder
    x = b.input(3, 8, 8)
    for name in "abc":
        b.conv(x, name, 4, 3, 3)
    names = [n if isinstance(n, str) else b.constant(f"k{i}", n) for i, n in enumerate(operands)]
    y = b.node(op, names, "y", **attributes)
    path = save(b.model(y, b.conv(y, "after", 4, 4, 1)))
    image = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    imported, answers = _answers(path, image)
    (network,) = imported.segments
    tensors = golden.run(network, imported.host.before(next(images({"x": image}))))
    q = network.tensors["y"].quantisation
    integers = tensors["y"].astype(np.float32) - q.zero_point
    found = (integers * np.float32(q.scale)).transpose(2, 0, 1)[None]
    np.testing.assert_allclose(found, answers["y"], rtol=1e-6)
    (expected,) = onnxruntime.InferenceSession(path).run(["y"], {"x": image})
    np.testing.assert_allclose(found, expected, atol=0.03 * np.ptp(expected))


def test_layers_and_inputs_share_one_name_space() -> None:
    q = Quantisation(1.0, 0)
    image, result = DraftTensor("x", 4, 4, 2, q), DraftTensor("y", 4, 4, 2, q)
    draft = Draft([image], [DraftLayer("max", "x", "Relu", [image], result, low=0.0)], [result])
    assert [op.name for op in finish.network(draft, "net", "").operators] == ["x.1"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a\0b", "y"), "output 'a\\\\x00b' has a name that no file can hold"),
        (("a" * 70_000, "y"), "has a name that no file can hold"),
        (("y.npy", "y"), "outputs 'y' and 'y.npy' would be one in an .npz file"),
    ],
)
def test_outputs_that_no_archive_can_hold(builder, save, names: tuple[str, str], message) -> None:
    b = builder
    first, second = (
        b.node("Relu", [b.conv(b.input(3, 8, 8), "c", 4, 3, 3)], names[0]),
        b.node("Relu", ["c"], names[1]),
    )
    with pytest.raises(NetworkError, match=message):
        check(save(b.model(first, second)))
