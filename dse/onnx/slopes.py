"""PRelu with a slope for each channel: what is above zero, and what is below it times its slope.

A slope for each channel is no function of one value.  In float both halves are ranges of a
convolution, the second one's weights times the slopes, so that each gets a copy of its own
(``dse.onnx.halves``).  Of a tensor that the model rounds first, the half below zero is scaled by a
convolution of its own.  The sum is a residual.
"""

from __future__ import annotations

import numpy as np
import onnx

from dse.onnx.lower_pointwise import Reals, add, affine, per_channel, restrict
from dse.onnx.lowering import Lowering
from dse.onnx.values import OverlayValue, Unsupported


def prelu(lowering: Lowering, node: onnx.NodeProto) -> None:
    """Positive and negative slopes are parts of their own where their results are ranges."""
    x = lowering.operand(node)
    slopes = lowering.array(node, 1)
    assert slopes is not None
    if x.is_quantised:
        raise Unsupported("it computes with integers", "dequantise its inputs first")
    slope = per_channel(x, slopes)
    parts = [_within(lowering, node, x, 0.0, np.inf)]
    if x.tensor.quantisation is not None:
        below = _within(lowering, node, x, -np.inf, 0.0)
        parts.append(_scaled(lowering, node, below, slope))
    else:
        for gain, low, high in (
            (np.maximum(slope, 0), -np.inf, 0.0),
            (np.minimum(slope, 0), 0.0, np.inf),
        ):
            if gain.any():
                part = _scaled(lowering, node, x, gain)
                parts.append(_within(lowering, node, part, low, high))
    add(lowering, node, parts)


def _within(
    lowering: Lowering, node: onnx.NodeProto, x: OverlayValue, low: float, high: float
) -> OverlayValue:
    restrict(lowering, node, x, low, high)
    return _made(lowering, node)


def _scaled(lowering: Lowering, node: onnx.NodeProto, x: OverlayValue, gain: Reals) -> OverlayValue:
    affine(lowering, node, x, gain, np.zeros_like(gain))
    lowering.draft.layers[-1].partial = True
    return _made(lowering, node)


def _made(lowering: Lowering, node: onnx.NodeProto) -> OverlayValue:
    """What the node's latest layer gives."""
    value = lowering.values[node.output[0]]
    assert isinstance(value, OverlayValue)
    return value
