"""Lowering of the operators that only change how a tensor is seen."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import onnx

from dse.onnx.drafting import Drafting
from dse.onnx.lower_view import seen_as
from dse.onnx.source import attribute
from dse.onnx.values import (
    Const,
    HostValue,
    Illegal,
    OverlayValue,
    UnknownValue,
    Unsupported,
    require,
)


def reshape(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    target = drafting.array(node, 1)
    assert target is not None
    require(target.ndim == 1, f"its shape is an array of shape {target.shape}")
    keep_zero = bool(attribute(node, "allowzero", 0))
    shape = [
        x.shape[axis] if n == 0 and not keep_zero and axis < len(x.shape) else int(n)
        for axis, n in enumerate(target.reshape(-1))
    ]
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = math.prod(x.shape) // max(known, 1)
    _view(drafting, node, x, tuple(shape))


def flatten(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    axis = cast(int, attribute(node, "axis", 1))
    axis = axis % len(x.shape) if axis < 0 else axis
    _view(drafting, node, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def squeeze(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    axes = _axes(drafting, node)
    drop = (
        {a % len(x.shape) for a in axes} if axes else {a for a, n in enumerate(x.shape) if n == 1}
    )
    _view(drafting, node, x, tuple(n for axis, n in enumerate(x.shape) if axis not in drop))


def unsqueeze(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    axes = _axes(drafting, node)
    rank = len(x.shape) + len(axes)
    places = {a % rank for a in axes}
    rest = iter(x.shape)
    _view(drafting, node, x, tuple(1 if a in places else next(rest) for a in range(rank)))


def shape(drafting: Drafting, node: onnx.NodeProto) -> None:
    """The shape of an image is a constant."""
    value = drafting.values[node.input[0]]
    match value:
        case OverlayValue():
            extents = value.shape
        case Const():
            extents = value.array.shape
        case HostValue() | UnknownValue():
            known = drafting.known[node.input[0]].shape
            if known is None:
                raise Unsupported("the shape of its input is not known", "export fixed shapes")
            extents = known
    start, end = (cast("int | None", attribute(node, name)) for name in ("start", "end"))
    drafting.set(node, Const(np.array(extents[start:end], np.int64)))


def _axes(drafting: Drafting, node: onnx.NodeProto) -> list[int]:
    listed = attribute(node, "axes")
    if listed is not None:
        return cast(list[int], listed)
    array = drafting.array(node, 1)
    return [] if array is None else [int(a) for a in array]


def _view(
    drafting: Drafting, node: onnx.NodeProto, x: OverlayValue, shape: tuple[int, ...]
) -> None:
    if math.prod(shape) != math.prod(x.shape):
        raise Illegal(
            f"it makes {shape} of {x.shape}",
            "the overlay runs one image at a time; export the model with a batch of one",
        )
    seen_as(drafting, node, x, shape)
