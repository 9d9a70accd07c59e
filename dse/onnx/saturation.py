"""The part of a range that a function tells apart: beyond it, its results no longer change.

A table knows 256 values of its argument.  Where the function is flat (a sigmoid far from zero, a
hard swish below -3) they would be wasted: a result that is clipped there has the same entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dse.network.graph import INT8_MAX, INT8_MIN
from dse.onnx.draft import Draft, DraftTensor
from dse.onnx.functions import Function

_POINTS = 4097
_WORTH = 15 / 16
"""Of a range: a part that is larger is not worth the rounding at its ends."""

_FLAT = 0.25
"""Of a step of the result: results that differ by less are the same."""


Arguments = Mapping[DraftTensor, Sequence[Function]]
"""The functions of each tensor that nothing but functions read."""


def arguments(draft: Draft) -> Arguments:
    """The functions of a draft's tensors."""
    found: dict[DraftTensor, list[Function]] = {}
    others = set(draft.outputs)
    for layer in draft.layers:
        if layer.function is None or layer.function.dtype.kind in "iu":
            others.update(layer.inputs)
        else:
            found.setdefault(layer.inputs[0], []).append(layer.function)
    return {tensor: functions for tensor, functions in found.items() if tensor not in others}


def told_apart(functions: Sequence[Function], low: float, high: float) -> tuple[float, float]:
    """The part of [low, high] outside of which no function changes; all if that is most of it."""
    points = np.linspace(low, high, _POINTS)
    ends = [_bent(function(points)) for function in functions]
    first = min((first for first, _ in ends), default=0)
    last = max((last for _, last in ends), default=_POINTS - 1)
    if last - first > _WORTH * (_POINTS - 1):
        return low, high
    return float(points[first]), float(points[last])


def _bent(values: np.ndarray) -> tuple[int, int]:
    """The last point of a flat beginning, and the first of a flat end."""
    reached = np.append(values, 0.0)
    flat = _FLAT * np.ptp(reached) / (INT8_MAX - INT8_MIN)
    left, right = (np.abs(values - end) > flat for end in (values[0], values[-1]))
    if not np.isfinite(flat) or not (left.any() and right.any()):
        return 0, len(values) - 1
    return int(left.argmax()) - 1, len(values) - int(right[::-1].argmax())
