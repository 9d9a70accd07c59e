"""Lowering of local response normalisation, as one node or written out."""

from __future__ import annotations

from typing import cast

import numpy as np
import onnx

from dse.network.graph import Gain, Normalisation
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.source import attribute, node_name
from dse.onnx.values import OverlayValue, StepValue, Unsupported, require
from dse.onnx.written_response import WrittenResponse
from hw.isa.squares import REACH


def lrn(drafting: Drafting, node: onnx.NodeProto) -> None:
    """A value times a power of the mean square around it; channels beyond the ends are zero."""
    size = cast(int, attribute(node, "size", 0))
    alpha, beta, bias = (
        cast(float, attribute(node, name, usual))
        for name, usual in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    require(size > 0, f"its size is {size}")
    sound = bool(np.isfinite((alpha, beta, bias)).all()) and min(alpha, beta) >= 0 and bias > 0
    if not sound:
        raise Unsupported("its gains are no falling function", "use the published parameters")
    _normalise(drafting, node, drafting.operand(node), size, Gain(alpha / size, beta, bias))


def written(drafting: Drafting, node: onnx.NodeProto, response: WrittenResponse) -> None:
    """A node of a normalisation that is written out; the last one adds the layer."""
    x = drafting.values[response.argument]
    assert isinstance(x, OverlayValue)
    if node.output[0] == response.result:
        x = x if x.elements is None else drafting.gathered(response.argument, x)
        _normalise(drafting, node, x, response.size, response.gain)
        return
    known = drafting.known[node.output[0]]
    drafting.set(node, StepValue(x.tensor, known.shape or x.shape, x.dtype, x.elements))


def _normalise(
    drafting: Drafting, node: onnx.NodeProto, x: OverlayValue, size: int, gain: Gain
) -> None:
    reach = min(size // 2, x.tensor.channels - 1)
    if size % 2 == 0 or reach > REACH:
        odd = ", ".join(str(2 * n + 1) for n in range(REACH + 1))
        raise Unsupported(f"it sums {size} channels", f"retrain with a size of {odd}")
    result = DraftTensor(node.output[0], *x.tensor.shape)
    layer = DraftLayer("normalise", node_name(node), node.op_type, [x.tensor], result)
    layer.normalisation = Normalisation(reach, gain)
    drafting.set(node, OverlayValue(drafting.add(layer), x.shape, x.dtype))
