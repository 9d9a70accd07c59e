"""Channels in another order, absorbed by the weights of the convolution that reads them."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import onnx

from dse.onnx.draft import Coefficients
from dse.onnx.drafting import Drafting
from dse.onnx.elements import channel_order
from dse.onnx.gather import Gatherer
from dse.onnx.source import attribute, node_name
from dse.onnx.values import OverlayValue, extents

Order = npt.NDArray[np.intp]
"""For each channel of a tensor, the one of the view that it is."""


def as_they_lie(
    drafting: Drafting, node: onnx.NodeProto, x: OverlayValue
) -> tuple[OverlayValue, Order | None]:
    """The channels of a view in the order in which they lie in its tensor, and that order.

    None if the view had to be gathered as it is: its pixels move, too, or the convolution's groups
    are neither one nor of one channel each.
    """
    groups = cast(int, attribute(node, "group", 1))
    if len(x.shape) in (3, 4) and x.elements is not None:
        height, width, channels = extents(x.shape)
        image = x.elements.reshape(channels, height, width)
        listed = channel_order(image, x.tensor.shape)
        if listed is not None and groups in (1, channels):
            order = np.argsort(listed, kind="stable")
            ascending = tuple(sorted(listed))
            made = Gatherer(drafting.add, node_name(node), node.op_type).channels(x, ascending)
            return OverlayValue(made, x.shape, x.dtype), order
    return drafting.operand(node), None


def permuted(
    weight: Coefficients, bias: Coefficients | None, order: Order, groups: int
) -> tuple[Coefficients, Coefficients | None, Order | None]:
    """Weights and bias for channels in that order.

    Filters of one channel each change their places, too: then also where each of the result's
    channels lies.
    """
    if groups == 1:
        return Coefficients(weight.values[:, order], weight.scale), bias, None
    each = len(weight.values) // groups
    filters = (order[:, None] * each + np.arange(each)).reshape(-1)
    scale = None if weight.scale is None else weight.scale[filters]
    if bias is not None:
        own = None if bias.scale is None else bias.scale[filters]
        bias = Coefficients(bias.values[filters], own)
    return Coefficients(weight.values[filters], scale), bias, np.argsort(filters)
