"""Whether onnxruntime can load the host's share of a model."""

from __future__ import annotations

from functools import cache

import onnx
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from dse.onnx.host import Subgraph
from dse.onnx.source import first_line


def failure(part: Subgraph) -> str:
    """Why a share cannot be loaded; empty if it can.

    It is not run: a damaged window could keep onnxruntime busy for ever.
    """
    try:
        if part.model.graph.output:
            part.prepare()
    except Exception as error:  # onnxruntime has a class of its own for each kind of failure
        return first_line(error)
    return ""


def knows(node: onnx.NodeProto) -> bool:
    """Whether onnxruntime has the node's operator."""
    return (node.op_type, "" if node.domain == "ai.onnx" else node.domain) in _operators()


@cache
def _operators() -> frozenset[tuple[str, str]]:
    return frozenset((one.name, one.domain) for one in runtime.get_all_operator_schema())
