"""``check`` tells the truth: about the nine networks of the onnx package, and all at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from dse.onnx.findings import UnsupportedError
from dse.onnx.importer import check, load

LIGHT = {
    "bvlc_alexnet": {},
    "densenet121": {},
    "inception_v1": {},
    "inception_v2": {},
    "resnet50": {},
    "shufflenet": {},
    "squeezenet": {},
    "vgg19": {},
    "zfnet512": {},
}
"""Operators that the host runs amid the overlay: response normalisation."""
LARGE = {"vgg19", "zfnet512"}  # as AlexNet, with larger fully connected layers


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in LIGHT],
)
def test_light_networks(light: Path, name: str) -> None:
    path = light / f"light_{name}.onnx"
    report = check(path, strict=True)
    expected = LIGHT[name]
    assert check(path).supported
    assert report.kind == "float"
    assert report.supported == (not expected)
    operators = [problem.operator for problem in report.problems]
    assert {op: operators.count(op) for op in operators} == expected
    nodes = {node.name or node.output[0]: node.op_type for node in onnx.load(path).graph.node}
    for problem in report.problems:
        assert nodes[problem.name] == problem.operator
        assert problem.reason and problem.remedy
    softmax = [node for node, op in nodes.items() if op == "Softmax"]
    assert list(report.tail) == softmax


def test_all_problems_at_once(builder, save) -> None:
    b = builder
    slopes = b.weight("slopes", 4, 14, 14)
    x = b.node("PRelu", [b.conv(b.input(3, 16, 16), "a", 4, 3, 3), slopes], "leaky")
    y = b.node("Hardmax", [x], "gate")
    x = b.node("Div", [x, y], "quotient")
    up = b.constant("up", np.float32([1, 1, 2, 2]))
    x = b.node("Resize", [x, "", up], "resized", mode="cubic")
    x = b.node("Conv", [x, b.node("Relu", [b.input(4, 3, 3, name="w")], "wr")], "dynamic")
    path = save(b.model(b.conv(x, "last", 2, 1, 1)))
    report = check(path, strict=True)
    names = [problem.name for problem in report.problems]
    assert names == ["leaky", "gate", "quotient", "resized", "dynamic"]
    reasons = {problem.name: problem.reason for problem in report.problems}
    assert "differs between pixels" in reasons["leaky"] and "no such" in reasons["gate"]
    assert "interpolates" in reasons["resized"] and "not constant" in reasons["dynamic"]
    with pytest.raises(
        UnsupportedError, match=r"^5 unsupported nodes: PRelu: 1 node, leaky: "
    ) as error:
        load(path, strict=True)
    assert error.value.problems == report.problems
    assert "\n" not in str(error.value)


def test_unknown_domains_and_control_flow_are_problems(builder, save) -> None:
    b = builder
    x = b.conv(b.input(3, 8, 8), "a", 4, 3, 3)
    x = b.node("Special", [x], "special", domain="org.example")
    model = b.model(b.conv(x, "b", 4, 4, 1))
    model.opset_import.append(onnx.helper.make_opsetid("org.example", 1))
    report = check(save(model))
    assert [problem.operator for problem in report.problems] == ["org.example.Special"]


def test_softmax_in_the_middle_is_a_problem_at_the_end_it_is_the_hosts(builder, save) -> None:
    b = builder
    x = b.conv(b.input(3, 8, 8), "a", 4, 3, 3)
    x = b.node("Softmax", [x], "middle", axis=1)
    x = b.conv(x, "b", 4, 4, 1)
    x = b.node("Softmax", [x], "end", axis=1)
    path = save(b.model(b.node("ReduceMax", [x], "largest", axes=[1])))
    assert [problem.name for problem in check(path, strict=True).problems] == ["middle"]
    report = check(path)
    assert report.supported and report.middle == ("middle",)
    assert report.tail == ("end", "largest")
    assert report.layers == (("a", "conv"), ("b", "conv"))


def test_preprocessing_is_the_hosts(builder, save) -> None:
    b = builder
    x = b.node("Sub", [b.input(3, 8, 8), b.constant("mean", np.float32(0.5))], "centred")
    x = b.node("Div", [x, b.constant("spread", np.full((3, 1, 1), 0.2, np.float32))], "scaled")
    report = check(save(b.model(b.conv(x, "a", 4, 3, 3))))
    assert report.supported and report.head == ("centred", "scaled")
    assert report.layers == (("a", "conv"),)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"pads": [0, 0, -1, 0]}, "negative"),
        ({"strides": [2]}, "strides"),
        ({"dilations": [9, 9]}, "does not fit"),
    ],
)
def test_windows_that_cannot_be(builder, save, attributes: dict, reason: str) -> None:
    b = builder
    b.input(3, 8, 8)
    b.relu(b.node("MaxPool", ["x"], "pool", kernel_shape=[2, 2], **attributes))
    report = check(save(b.model("pool.relu")))
    assert report.problems[0].name == "pool" and reason in report.problems[0].reason
