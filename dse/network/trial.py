"""Whether onnxruntime can run the host's share of a model: it is tried on one image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
import onnx
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from dse.network.host import Subgraph
from dse.network.source import Known, first_line

_LARGEST = 2**24
"""Elements of all inputs up to which a share is run; larger ones are only loaded."""


def failure(part: Subgraph, inputs: Mapping[str, Known]) -> str:
    """Why a share cannot be run; empty if it can.

    Values at run time may decide whether a node can run (NonZero finds something or nothing): one
    of two images must do.
    """
    reason = ""
    sizes = [math.prod(inputs[name].shape or ()) for name in part.inputs]
    for value in (0, 1):
        try:
            if sum(sizes) > _LARGEST:
                part.prepare()
            else:
                part.run({name: _image(inputs[name], value) for name in part.inputs})
        except Exception as error:  # onnxruntime has a class of its own for each kind of failure
            reason = first_line(error)
        else:
            return ""
    return reason


def knows(node: onnx.NodeProto) -> bool:
    """Whether onnxruntime has the node's operator."""
    return (node.op_type, "" if node.domain == "ai.onnx" else node.domain) in _operators()


@cache
def _operators() -> frozenset[tuple[str, str]]:
    return frozenset((one.name, one.domain) for one in runtime.get_all_operator_schema())


def _image(known: Known, value: int) -> np.ndarray:
    return np.full(known.shape or (), value, known.dtype)
