"""PRelu with a slope for each channel: what is above zero, and what is below it times its slope.

A slope for each channel is no function of one value.  In float both halves are ranges of a
convolution, the second one's weights times the slopes, so that each gets a copy of its own
(``dse.onnx.halves``).  Of a tensor that the model rounds first, the half below zero is scaled by a
convolution of its own.  The sum is a residual.
"""

from __future__ import annotations

import numpy as np
import onnx

from dse.onnx.drafting import Drafting
from dse.onnx.lower_pointwise import Reals, add, affine, per_channel, restrict
from dse.onnx.values import OverlayValue, Unsupported


def prelu(drafting: Drafting, node: onnx.NodeProto) -> None:
    """Positive and negative slopes are parts of their own where their results are ranges."""
    x = drafting.operand(node)
    slopes = drafting.array(node, 1)
    assert slopes is not None
    if x.is_quantised:
        raise Unsupported("it computes with integers", "dequantise its inputs first")
    slope = per_channel(x, slopes)
    parts = [restrict(drafting, node, x, 0.0, np.inf)]
    if x.tensor.quantisation is not None:
        below = restrict(drafting, node, x, -np.inf, 0.0)
        parts.append(_scaled(drafting, node, below, slope))
    else:
        for gain, low, high in (
            (np.maximum(slope, 0), -np.inf, 0.0),
            (np.minimum(slope, 0), 0.0, np.inf),
        ):
            if gain.any():
                part = _scaled(drafting, node, x, gain)
                parts.append(restrict(drafting, node, part, low, high))
    add(drafting, node, parts)


def _scaled(drafting: Drafting, node: onnx.NodeProto, x: OverlayValue, gain: Reals) -> OverlayValue:
    made = affine(drafting, node, x, gain, np.zeros_like(gain))
    drafting.draft.layers[-1].partial = True
    return made
