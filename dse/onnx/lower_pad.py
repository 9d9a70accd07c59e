"""Lowering of Pad: zeros, what no maximum chooses, the pixels at the edges again or mirrored."""

from __future__ import annotations

from typing import cast

import numpy as np
import onnx

from dse.network.graph import INT8_MIN
from dse.onnx.arrange import Arranger
from dse.onnx.draft import DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.lower_window import show, spatial
from dse.onnx.padding import padded
from dse.onnx.source import attribute, node_name, operator
from dse.onnx.values import OverlayValue, Unsupported, require

LOWEST = -65504.0
"""The least number of half precision; -inf and the least number of others are beyond it."""

_AS_THEY_ARE = ("DequantizeLinear", "Identity", "QuantizeLinear")


def pad(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = spatial(drafting, node, drafting.operand(node))
    axes = len(x.shape) - 2
    before, after = _sides(drafting, node, len(x.shape))
    if any(before[:2]) or any(after[:2]):
        raise Unsupported("it adds channels", "join them with Concat, or run it on the host")
    empty = [0] * (2 - axes)
    (top, left), (bottom, right) = [*empty, *before[2:]], [*empty, *after[2:]]
    arrange = Arranger(drafting.add, node_name(node), node.op_type, x.is_quantised)
    image = _cut(arrange, x.tensor, (top, left, bottom, right))
    sides = tuple(max(side, 0) for side in (top, left, bottom, right))
    if any(sides):
        image = _extended(drafting, node, arrange, x, image, cast(tuple[int, int, int, int], sides))
    show(drafting, node, image, x.dtype, axes)


def _sides(drafting: Drafting, node: onnx.NodeProto, rank: int) -> tuple[list[int], list[int]]:
    """What is added before and after each axis."""
    listed = attribute(node, "pads") or attribute(node, "paddings")
    pads = np.array(listed) if listed else drafting.array(node, 1)
    axes = drafting.array(node, 3)
    assert pads is not None
    where = range(rank) if axes is None else [int(axis) % rank for axis in axes.reshape(-1)]
    require(pads.size == 2 * len(where), f"its pads are {pads.tolist()}")
    before, after = [0] * rank, [0] * rank
    for number, axis in enumerate(where):
        before[axis], after[axis] = int(pads[number]), int(pads[number + len(where)])
    return before, after


def _cut(arrange: Arranger, image: DraftTensor, sides: tuple[int, int, int, int]) -> DraftTensor:
    """The image without what negative sides take from it."""
    top, left, bottom, right = (max(-side, 0) for side in sides)
    require(top + bottom < image.height and left + right < image.width, "nothing is left of it")
    image = arrange.rows(image, top, image.height - top - bottom)
    return arrange.columns(image, left, image.width - left - right)


def _extended(
    drafting: Drafting,
    node: onnx.NodeProto,
    arrange: Arranger,
    x: OverlayValue,
    image: DraftTensor,
    sides: tuple[int, int, int, int],
) -> DraftTensor:
    top, left, bottom, right = sides
    mode = attribute(node, "mode", "constant")
    if mode == "constant":
        layer = padded(node.output[0], node.op_type, image, sides)
        layer.lowest = _is_lowest(drafting, node, x)
        if not layer.lowest:
            _require_zero(drafting, node, x)
        layer.name, layer.output.quantisation = node_name(node), image.quantisation
        layer.integers = x.is_quantised
        return drafting.add(layer)
    rows = _sources(mode, image.height, top, bottom)
    columns = _sources(mode, image.width, left, right)
    if left or right:
        image = arrange.beside(
            [arrange.columns(image, first, count) for first, count in _runs(columns)]
        )
    if top or bottom:
        image = arrange.stacked([arrange.rows(image, *run) for run in _runs(rows)])
    return image


def _value(drafting: Drafting, node: onnx.NodeProto) -> float:
    if attribute(node, "mode", "constant") != "constant":
        return 0.0
    given = drafting.array(node, 2)
    return float(attribute(node, "value", 0.0) if given is None or not given.size else given.item())


def below_all(drafting: Drafting, node: onnx.NodeProto) -> bool:
    """Whether it adds a constant that no tensor of real numbers holds, such as -inf."""
    try:
        return _value(drafting, node) <= LOWEST
    except Unsupported:
        return False


def _is_lowest(drafting: Drafting, node: onnx.NodeProto, x: OverlayValue) -> bool:
    """Whether it adds what no maximum chooses, and nothing but maxima reads it.

    What is beyond `LOWEST` is taken for that whoever reads it: no other layer can.
    """
    value, known = _value(drafting, node), x.tensor.quantisation
    if x.is_quantised:
        return value == np.iinfo(x.dtype).min and _only_maxima(drafting, node.output[0])
    if below_all(drafting, node):
        return True
    return (
        known is not None
        and value <= known.scale * (INT8_MIN - known.zero_point)
        and _only_maxima(drafting, node.output[0])
    )


def _only_maxima(drafting: Drafting, name: str) -> bool:
    """Whether only MaxPool reads a tensor, as it is or quantised."""
    graph = drafting.source.model.graph
    readers = [node for node in graph.node if name in node.input]
    return (
        bool(readers)
        and name not in drafting.source.outputs
        and all(
            operator(reader) == "MaxPool"
            or (operator(reader) in _AS_THEY_ARE and _only_maxima(drafting, reader.output[0]))
            for reader in readers
        )
    )


def _require_zero(drafting: Drafting, node: onnx.NodeProto, x: OverlayValue) -> None:
    """Only zeros can be put around an image; where the model holds integers, its zero point."""
    value = _value(drafting, node)
    zero = 0
    if x.is_quantised:
        known = x.tensor.quantisation
        if known is None:
            raise Unsupported(
                "the zero point of the integers that it adds is not known",
                "pad real numbers, or quantise the input in the model",
            )
        zero = known.zero_point + (128 if x.dtype == np.uint8 else 0)
    if value != zero:
        raise Unsupported(
            f"it adds {value:g} around the image",
            "the overlay can only add zeros, and in front of MaxPool -inf",
        )


def _sources(mode: str, n: int, before: int, after: int) -> np.ndarray:
    """The row or column that each one of the result is."""
    at = np.arange(-before, n + after)
    match mode:
        case "edge":
            return np.clip(at, 0, n - 1)
        case "reflect":
            require(before < n and after < n, f"it mirrors {before} and {after} of {n} pixels")
            return n - 1 - np.abs(n - 1 - np.abs(at))
        case "wrap":
            return at % n
    raise Unsupported(f"its mode is {mode}", "pad with zeros")


def _runs(sources: np.ndarray) -> list[tuple[int, int]]:
    """(first, count) of what lies together."""
    breaks = np.flatnonzero(np.diff(sources) != 1) + 1
    return [(int(run[0]), len(run)) for run in np.split(sources, breaks)]
