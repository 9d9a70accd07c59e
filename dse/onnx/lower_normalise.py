"""Lowering of local response normalisation."""

from __future__ import annotations

from typing import cast

import numpy as np
import onnx

from dse.network.normalisation import Gain
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.lowering import Lowering
from dse.onnx.source import attribute, node_name
from dse.onnx.values import OverlayValue, Unsupported, require
from hw.isa.squares import REACH


def lrn(lowering: Lowering, node: onnx.NodeProto) -> None:
    """A value times a power of the mean square around it; channels beyond the ends are zero."""
    x = lowering.operand(node)
    size = cast(int, attribute(node, "size", 0))
    alpha, beta, bias = (
        cast(float, attribute(node, name, usual))
        for name, usual in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    require(size > 0, f"its size is {size}")
    sound = bool(np.isfinite((alpha, beta, bias)).all()) and min(alpha, beta) >= 0 and bias > 0
    if not sound:
        raise Unsupported("its gains are no falling function", "use the published parameters")
    reach = (size - 1) // 2, size // 2
    before, after = (min(one, x.tensor.channels - 1) for one in reach)
    if after > REACH:
        raise Unsupported(
            f"it sums {size} channels", f"retrain with a size of at most {2 * REACH + 1}"
        )
    result = DraftTensor(node.output[0], *x.tensor.shape)
    layer = DraftLayer("normalise", node_name(node), node.op_type, [x.tensor], result)
    layer.gain, layer.reach = Gain(alpha / size, beta, bias), (before, after)
    lowering.set(node, OverlayValue(lowering.add(layer), x.shape, x.dtype))
