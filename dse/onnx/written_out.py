"""Elementwise nodes in ONNX's own operators: those of other domains and of old opsets written out.

Each function gives the nodes that take the place of one, with their constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from dse.onnx.source import attribute

Written = tuple[list[onnx.NodeProto], dict[str, npt.NDArray]]


def written_out(node: onnx.NodeProto) -> Written:
    """The node in operators of ONNX's own domain as they are today."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    special = _SPECIAL.get((domain, node.op_type))
    if special is not None:
        return special(node)
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    plain.domain = ""
    return [plain], {}


def _clip(node: onnx.NodeProto) -> Written:
    """Bounds were attributes before they were operands."""
    bounds = {name: attribute(node, name) for name in ("min", "max")}
    constants = {
        f"{node.output[0]}/{name}": np.float32(bound)
        for name, bound in bounds.items()
        if bound is not None
    }
    if not constants:
        return [helper.make_node("Clip", node.input, node.output)], {}
    given = [f"{node.output[0]}/{name}" if bounds[name] is not None else "" for name in bounds]
    clip = helper.make_node("Clip", [node.input[0], *given], node.output)
    return [clip], {name: np.asarray(value) for name, value in constants.items()}


def _gelu(approximate: str) -> Callable[[onnx.NodeProto], Written]:
    def gelu(node: onnx.NodeProto) -> Written:
        x, y = node.input[0], node.output[0]
        return [helper.make_node("Gelu", [x], [y], approximate=approximate)], {}

    return gelu


def _quick_gelu(node: onnx.NodeProto) -> Written:
    """x * sigmoid(alpha * x)."""
    x, y = node.input[0], node.output[0]
    alpha, scaled, gate = (f"{y}/{role}" for role in ("alpha", "scaled", "gate"))
    nodes = [
        helper.make_node("Mul", [x, alpha], [scaled]),
        helper.make_node("Sigmoid", [scaled], [gate]),
        helper.make_node("Mul", [x, gate], [y]),
    ]
    return nodes, {alpha: np.asarray(attribute(node, "alpha", 1.702), np.float32)}


def _between_integers(op: str) -> Callable[[onnx.NodeProto], Written]:
    """An operator of integers is its float one between DequantizeLinear and QuantizeLinear."""

    def written(node: onnx.NodeProto) -> Written:
        y = node.output[0]
        real, result = f"{y}/real", f"{y}/result"
        own: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        nodes = [
            helper.make_node("DequantizeLinear", _given(node.input[0:3]), [real]),
            helper.make_node(op, [real], [result], **own),
            helper.make_node("QuantizeLinear", _given([result, *node.input[3:5]]), [y]),
        ]
        return nodes, {}

    return written


def _of_two_integers(op: str) -> Callable[[onnx.NodeProto], Written]:
    """The same of two operands, each followed by its scale and zero point."""

    def written(node: onnx.NodeProto) -> Written:
        y = node.output[0]
        a, b, result = (f"{y}/{role}" for role in ("a", "b", "result"))
        nodes = [
            helper.make_node("DequantizeLinear", _given(node.input[0:3]), [a]),
            helper.make_node("DequantizeLinear", _given(node.input[3:6]), [b]),
            helper.make_node(op, [a, b], [result]),
            helper.make_node("QuantizeLinear", _given([result, *node.input[6:8]]), [y]),
        ]
        return nodes, {}

    return written


def _given(names: Any) -> list[str]:
    """Operands without those that are left out at the end."""
    return [name for name in names if name]


_MICROSOFT = "com.microsoft"
_SPECIAL: dict[tuple[str, str], Callable[[onnx.NodeProto], Written]] = {
    ("", "Clip"): _clip,
    (_MICROSOFT, "Gelu"): _gelu("none"),
    (_MICROSOFT, "FastGelu"): _gelu("tanh"),
    (_MICROSOFT, "QuickGelu"): _quick_gelu,
    (_MICROSOFT, "QLinearSigmoid"): _between_integers("Sigmoid"),
    (_MICROSOFT, "QLinearLeakyRelu"): _between_integers("LeakyRelu"),
    (_MICROSOFT, "QLinearAdd"): _of_two_integers("Add"),
    (_MICROSOFT, "QLinearMul"): _of_two_integers("Mul"),
}
