"""Lowering of concatenations along channels, rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from dse.network.graph import Quantisation
from dse.onnx.arrange import Arranger
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.elements import channel_order, plain, runs
from dse.onnx.gather import MOST_COPIES
from dse.onnx.source import node_name
from dse.onnx.values import OverlayValue, Unsupported, extents

Operand = tuple[str, OverlayValue]
"""A value with its name in the model."""


def join(
    drafting: Drafting,
    node: onnx.NodeProto,
    operands: Sequence[Operand],
    axis: int,
    output: Quantisation | None = None,
) -> None:
    """Add a concatenation of some of a node's inputs."""
    views = [view for _, view in operands]
    first = views[0]
    rank = len(first.shape)
    integers = output is None and first.is_quantised
    if integers:
        output = first.tensor.quantisation
        if any(x.tensor.quantisation != output for x in views):
            raise Unsupported(
                "it joins integers of different scales", "dequantise its inputs first"
            )
    if rank < 2 or rank > 4 or axis % rank == 0 or first.shape[0] != 1:
        raise Unsupported(
            f"it joins along axis {axis} of {rank}", "only channels, rows and columns can be joined"
        )
    if axis % rank == 1:
        _channels(drafting, node, operands, output, integers)
    else:
        _pixels(drafting, node, operands, axis % rank, output, integers)


def _channels(
    drafting: Drafting,
    node: onnx.NodeProto,
    operands: Sequence[Operand],
    output: Quantisation | None,
    integers: bool,
) -> None:
    """The channels of each input in the order in which they lie; the result is seen in theirs."""
    arrange = Arranger(drafting.add, node_name(node), node.op_type, integers)
    tensors: list[DraftTensor] = []
    order: list[int] = []
    for name, view in operands:
        channels = _order(view)
        start = sum(tensor.channels for tensor in tensors)
        stretches = [] if channels is None else list(runs(tuple(sorted(channels))))
        if channels is None or len(stretches) > MOST_COPIES:
            tensor = _whole(drafting, name, view)
            tensors.append(tensor)
            order += range(start, start + tensor.channels)
        else:
            tensors += [arrange.channels(view.tensor, *stretch) for stretch in stretches]
            order += [start + int(place) for place in np.argsort(np.argsort(channels))]
    height, width, _ = tensors[0].shape
    first = operands[0][1]
    shape = (1, len(order), *first.shape[2:])
    result = DraftTensor(node.output[0], height, width, len(order), output)
    layer = DraftLayer("concat", node_name(node), node.op_type, tensors, result, integers=integers)
    drafting.add(layer)
    shown = None
    if order != sorted(order):
        shown = plain(result.shape, shape)[:, order]
    drafting.set(node, OverlayValue(result, shape, first.dtype, shown))


def _order(view: OverlayValue) -> tuple[int, ...] | None:
    """The channels that a view shows of each pixel; None if it shows something else."""
    if not 2 <= len(view.shape) <= 4:
        return None
    height, width, channels = extents(view.shape)
    if view.elements is None:
        whole = view.tensor.shape == (height, width, channels)
        return tuple(range(channels)) if whole else None
    if view.tensor.shape[:2] != (height, width):
        return None
    return channel_order(view.elements.reshape(channels, height, width), view.tensor.shape)


def _whole(drafting: Drafting, name: str, view: OverlayValue) -> DraftTensor:
    """The tensor of a view, which must be an image."""
    x = view if view.elements is None else drafting.gathered(name, view)
    height, width, channels = extents(x.shape)
    if x.tensor.shape != (height, width, channels):
        raise Unsupported(
            "one of its inputs is reshaped before it", "join the images before reshaping"
        )
    return x.tensor


def _pixels(
    drafting: Drafting,
    node: onnx.NodeProto,
    operands: Sequence[Operand],
    axis: int,
    output: Quantisation | None,
    integers: bool,
) -> None:
    first = operands[0][1]
    parts = [_whole(drafting, *operand) for operand in operands]
    arrange = Arranger(drafting.add, node_name(node), node.op_type, integers)
    last = axis == len(first.shape) - 1
    made = arrange.beside(parts) if last else arrange.stacked(parts)
    if output is not None and made not in parts:
        made.quantisation = output
    elif output is not None and made.quantisation != output:
        made = drafting.rounded(node, made, output)
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for _, x in operands)
    drafting.set(node, OverlayValue(made, tuple(shape), first.dtype))
