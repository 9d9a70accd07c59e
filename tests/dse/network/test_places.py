"""``check`` accounts for every node, whatever stands before it, and says what the matter is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dse.onnx.findings import Report
from dse.onnx.importer import check, load

MICROSOFT = "com.microsoft"
NEGATIVE = np.float32(-0.02)
"""A scale that no weights can have."""


def judge(path: Path, strict: bool = True) -> Report:
    """The report on a model, which must mention each of its nodes once."""
    report = check(path, strict=strict)
    nodes = [node.name or node.output[0] for node in onnx.load(path).graph.node]
    placed = [name for names in report.places.values() for name in names]
    assert sorted(placed) == sorted(nodes) and report.nodes == len(nodes)
    assert {problem.name for problem in report.problems} >= set(report.places["unsupported"])
    return report


@pytest.fixture
def qlinear(builder):
    """A quantised image and the names of a scale and a zero point."""
    b = builder
    b.input(4, 8, 8)
    b.constant("s", np.float32(0.02))
    b.constant("z", np.uint8(128))
    b.constant("negative", NEGATIVE)
    b.constant("w", np.array([0, 255, 3, 4] * 4, np.uint8).reshape(4, 4, 1, 1))
    return b.node("QuantizeLinear", ["x", "s", "z"], "q")


def qconv(b, x: str, name: str) -> str:
    """A convolution whose weights are not legal."""
    return b.node("QLinearConv", [x, "s", "z", "w", "negative", "z", "s", "z"], name)


OWN: dict[str, Callable] = {
    "QLinearAdd": lambda b, x: (x, "s", "z", x, "s", "z", "s", "z"),
    "QLinearMul": lambda b, x: (x, "s", "z", x, "s", "z", "s", "z"),
    "QLinearLeakyRelu": lambda b, x: (x, "s", "z", "s", "z"),
    "QLinearSigmoid": lambda b, x: (x, "s", "z", "s", "z"),
    "QLinearAveragePool": lambda b, x: (x, "s", "z", "s", "z"),
    "QLinearGlobalAveragePool": lambda b, x: (x, "s", "z", "s", "z"),
    "QLinearConcat": lambda b, x: ("s", "z", x, "s", "z"),
    "QLinearReduceMean": lambda b, x: (x, "s", "z", "s", "z"),
    "QLinearSoftmax": lambda b, x: (x, "s", "z", "s", "z"),
}
ATTRIBUTES = {
    "QLinearAveragePool": {"kernel_shape": [2, 2]},
    "QLinearConcat": {"axis": 1},
    "QLinearReduceMean": {"axes": [2, 3], "keepdims": 1},
    "QLinearSoftmax": {"opset": 13},
}


@pytest.mark.parametrize("op", OWN)
def test_nothing_is_forgotten_behind_onnxruntimes_own_operators(
    builder, save, qlinear: str, op: str
) -> None:
    b, x = builder, qlinear
    for index in range(3):
        x = qconv(b, x, f"conv{index}")
        x = b.node(
            op, list(OWN[op](b, x)), f"own{index}", domain=MICROSOFT, **ATTRIBUTES.get(op, {})
        )
        x = b.node("DequantizeLinear", [x, "s", "z"], f"real{index}")
        x = b.node("Hardmax", [x], f"curved{index}")
        x = b.node("QuantizeLinear", [x, "s", "z"], f"q{index}")
    x = qconv(b, x, "last")
    report = judge(save(b.model(b.node("DequantizeLinear", [x, "s", "z"], "y"))))
    for index in range(3):
        assert {f"conv{index}", f"curved{index}"} <= {one.name for one in report.problems}
    assert report.places["unjudged"] == ()


def test_qgemm_has_a_shape_too(builder, save, qlinear: str) -> None:
    b = builder
    flat = b.node("Flatten", [qlinear], "flat")
    b.constant("m", np.full((256, 10), 130, np.uint8))
    x = b.node("QGemm", [flat, "s", "z", "m", "s", "z", ""], "gemm", domain=MICROSOFT)
    x = b.node("Hardmax", [x], "curved")
    b.constant("n", np.full((11, 3), 1, np.float32))
    report = judge(save(b.model(b.node("MatMul", [x, "n"], "misfit"))))
    assert [one.name for one in report.problems] == ["gemm", "curved", "misfit"]
    assert "Incompatible dimensions" in report.problems[-1].reason


@pytest.mark.parametrize("domain", ["", MICROSOFT])
def test_quantisation_of_either_domain(builder, save, domain: str) -> None:
    b = builder
    b.input(4, 8, 8)
    b.constant("s", np.float32(0.02))
    b.constant("z", np.int8(3))
    b.constant("w", np.ones((4, 4, 3, 3), np.float32))
    b.constant("zw", np.int8(0))

    def pair(x: str, zero: str) -> str:
        q = b.node("QuantizeLinear", [x, "s", zero], f"{x}.q", domain=domain)
        return b.node("DequantizeLinear", [q, "s", zero], f"{x}.d", domain=domain)

    path = save(b.model(pair(b.node("Conv", [pair("x", "z"), pair("w", "zw")], "c"), "z")))
    assert judge(path).supported
    assert np.all(load(path).network.convolutions().__next__().weight == 50)


def test_weights_behind_an_unknown_operator_are_judged(builder, save, qlinear: str) -> None:
    """Nothing is known of the shapes there, but weights beyond int8 are beyond int8 anywhere."""
    b = builder
    x = b.node("Strange", [qlinear], "strange", domain="org.example")
    x = b.node("MaxPool", [x], "pool", kernel_shape=[2, 2])
    x = qconv(b, x, "conv0")
    x = b.node("Sigmoid", [b.node("DequantizeLinear", [x, "s", "z"], "real")], "table")
    x = b.node("Hardmax", [x], "curved")
    x = b.node("Conv", [x, b.weight("v", 3, 4, 1, 1)], "end")
    model = b.model(x)
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    report = judge(save(model))
    assert [one.name for one in report.problems] == ["strange", "conv0", "curved"]
    assert report.places["unjudged"] == ("pool", "real", "table", "end")


def test_what_a_model_declares_helps_behind_an_unknown_operator(builder, save) -> None:
    b = builder
    x = b.node("Strange", [b.conv(b.input(3, 8, 8), "c", 4, 3, 3)], "strange", domain="org.example")
    x = b.conv(x, "wide", 4, 7, 1)
    model = b.model(x)
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    declared = helper.make_tensor_value_info("strange", TensorProto.FLOAT, ["batch", 4, 6, 6])
    model.graph.value_info.append(declared)
    report = judge(save(model))
    assert [one.name for one in report.problems] == ["strange", "wide"]


def test_pads_that_nodes_compute(builder, save) -> None:
    """As exporters write them: constants concatenated, cast and turned around."""
    b = builder
    b.input(3, 8, 8)
    b.node("Shape", ["x"], "shape")
    b.node("Gather", ["shape", b.constant("i", np.int64(2))], "height")
    b.node("Sub", ["height", b.constant("seven", np.int64(7))], "one")
    b.node("Unsqueeze", ["one", b.constant("zero", np.int64([0]))], "ones")
    b.node("ConstantOfShape", [b.constant("two", np.int64([2]))], "zeros")
    b.node("Cast", ["zeros"], "none", to=TensorProto.INT64)
    b.node("Concat", ["none", "ones", "ones"], "side", axis=0)
    b.node("Concat", ["side", "side"], "pads", axis=0)
    b.node("Reshape", ["pads", b.constant("eight", np.int64([8]))], "flat")
    b.node("Slice", ["flat", "zero", b.constant("end", np.int64([8]))], "sliced")
    x = b.node("Pad", ["x", "sliced"], "padded")
    report = judge(save(b.model(b.conv(x, "c", 4, 3, 3))))
    assert report.supported and report.head == ("padded",)
    b.node("Pad", ["c", "sliced"], "middle")
    report = judge(save(b.model(b.conv("middle", "d", 4, 4, 3))))
    assert report.supported and report.head == ("padded",)
    assert [kind for _, kind in report.layers] == ["conv", "conv"]


@pytest.mark.parametrize("value", [True, False])
def test_branches_on_constants(builder, save, value: bool) -> None:
    b = builder
    b.input(3, 8, 8)
    inner = [
        helper.make_graph(
            [helper.make_node("Mul", ["w", factor], ["v"])],
            "branch",
            [],
            [helper.make_tensor_value_info("v", TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(np.float32(scale), factor)],
        )
        for factor, scale in (("f", 2), ("g", 3))
    ]
    b.weight("w", 4, 3, 3, 3)
    b.constant("c", np.array(value))
    b.node("If", ["c"], "chosen", then_branch=inner[0], else_branch=inner[1])
    assert judge(save(b.model(b.node("Conv", ["x", "chosen"], "y")))).supported


def test_a_fixed_batch_runs_or_is_the_reason(builder, save) -> None:
    b = builder
    b.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [8, 3, 8, 8]))
    x = b.conv("x", "c", 4, 3, 3)
    assert judge(save(b.model(x))).supported
    b.weight("v", 5, 144)
    flat = b.node("Reshape", [x, b.constant("eight", np.int64([8, -1]))], "flat")
    b.node("Gemm", [flat, "v"], "y", transB=1)
    report = judge(save(b.model("y")))
    assert [one.name for one in report.problems] == ["flat"]
    assert report.problems[0].reason == "it makes (8, 144) of 8 images, but (8, 18) of one"
    assert report.problems[0].remedy == "export the model with a batch of one image"
    b.constants[-1].CopyFrom(onnx.numpy_helper.from_array(np.int64([1, -1]), "eight"))
    b.inputs[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert judge(save(b.model("y"))).supported


def test_functions_of_a_model_are_no_foreign_operators(builder, save) -> None:
    b = builder
    x = b.node("Twice", [b.conv(b.input(3, 8, 8), "c", 4, 3, 3)], "twice", domain="local")
    model = b.model(b.conv(x, "d", 4, 4, 1))
    model.opset_import.append(helper.make_opsetid("local", 1))
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Twice", ["a"], ["b"], body, opsets))
    report = check(save(model))
    assert report.supported and report.nodes == 3
