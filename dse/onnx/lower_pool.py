"""Lowering of poolings."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import onnx

from dse.network.graph import Quantisation, Window
from dse.onnx.arrange import Arranger
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.lower_window import show, spatial, window_of
from dse.onnx.remedies import UNKNOWN_REMEDY
from dse.onnx.source import attribute, node_name
from dse.onnx.values import Illegal, OverlayValue, Unsupported, require
from dse.tiling.walks import largest
from dse.tiling.window_reach import all_touch
from hw.isa import Opcode


def max_pool(drafting: Drafting, node: onnx.NodeProto) -> None:
    pool(drafting, node, "max", drafting.operand(node))


def average_pool(drafting: Drafting, node: onnx.NodeProto) -> None:
    pool(drafting, node, "average", drafting.operand(node))


def global_max_pool(drafting: Drafting, node: onnx.NodeProto) -> None:
    global_pool(drafting, node, "max", drafting.operand(node))


def global_average_pool(drafting: Drafting, node: onnx.NodeProto) -> None:
    global_pool(drafting, node, "average", drafting.operand(node))


def reduce_max(drafting: Drafting, node: onnx.NodeProto) -> None:
    reduce(drafting, node, "max")


def reduce_mean(drafting: Drafting, node: onnx.NodeProto) -> None:
    reduce(drafting, node, "average")


def reduce(drafting: Drafting, node: onnx.NodeProto, kind: Literal["max", "average"]) -> None:
    """The greatest value, or the mean, over height and width is a global pooling."""
    x = drafting.operand(node)
    listed = attribute(node, "axes")
    axes = drafting.array(node, 1) if listed is None else np.array(listed)
    if axes is None or sorted(int(a) % len(x.shape) for a in axes) != [*range(2, len(x.shape))]:
        raise Unsupported("it reduces other axes than height and width", UNKNOWN_REMEDY)
    keep = attribute(node, "keepdims", 1)
    global_pool(drafting, node, kind, x)
    if not keep:
        pooled = drafting.values[node.output[0]]
        assert isinstance(pooled, OverlayValue)
        drafting.set(node, OverlayValue(pooled.tensor, pooled.shape[:2], pooled.dtype))


def pool(
    drafting: Drafting,
    node: onnx.NodeProto,
    kind: Literal["max", "average"],
    x: OverlayValue,
    output: Quantisation | None = None,
) -> None:
    """Add a pooling layer; on quantised tensors the output keeps the input's quantisation."""
    x = spatial(drafting, node, x)
    kernel = attribute(node, "kernel_shape")
    if attribute(node, "channels_last", 0):
        raise Unsupported("it works channels last", "export it in NCHW order")
    if not isinstance(kernel, list) or len(kernel) != len(x.shape) - 2:
        raise Unsupported(
            f"its kernel is {kernel}", "only pooling along one or two axes is supported"
        )
    window, size = window_of(node, x.tensor, tuple(kernel))
    require(
        all(pad < window.kernel[axis % 2] for axis, pad in enumerate(window.padding)),
        f"its padding {window.padding} is not smaller than its kernel {kernel}",
    )
    if not all_touch(window, x.tensor.shape[:2], size):
        raise Illegal("one of its windows lies wholly in the padding", "reduce the padding")
    include = bool(attribute(node, "count_include_pad", 0)) and kind == "average"
    _add_pool(drafting, node, kind, x, window, size, include, output)


def global_pool(
    drafting: Drafting,
    node: onnx.NodeProto,
    kind: Literal["max", "average"],
    x: OverlayValue,
    output: Quantisation | None = None,
) -> None:
    """Add a pooling layer whose window is the whole image, folded if it is long."""
    x = spatial(drafting, node, x)
    if attribute(node, "channels_last", 0):
        raise Unsupported("it works channels last", "export it in NCHW order")
    height, width, channels = x.tensor.shape
    rows, columns = _folded(height, width)
    arrange = Arranger(drafting.add, node_name(node), node.op_type, x.is_quantised)
    seen = replace(x, tensor=arrange.reshaped(x.tensor, (rows, columns, channels)))
    _add_pool(drafting, node, kind, seen, Window(kernel=(rows, columns)), (1, 1), False, output)


def _folded(height: int, width: int) -> tuple[int, int]:
    """An image of as many pixels which one window can hold, if there is one."""
    most = min(largest(Opcode.POOL, "tap_rows"), largest(Opcode.POOL, "tap_columns"))
    if max(height, width) <= most:
        return height, width
    pixels = height * width
    fitting = (n for n in range(most, 0, -1) if pixels % n == 0 and pixels // n <= most)
    columns = next(fitting, width)
    return pixels // columns, columns


def _add_pool(
    drafting: Drafting,
    node: onnx.NodeProto,
    kind: Literal["max", "average"],
    x: OverlayValue,
    window: Window,
    size: tuple[int, int],
    include: bool,
    output: Quantisation | None,
) -> None:
    if output is None and x.is_quantised:
        output = x.tensor.quantisation
    result = DraftTensor(node.output[0], *size, x.tensor.channels, output)
    drafting.add(
        DraftLayer(
            kind,
            node_name(node),
            node.op_type,
            [x.tensor],
            result,
            window,
            count_include_pad=include,
            integers=kind == "max" and x.is_quantised,
        )
    )
    show(drafting, node, result, x.dtype, len(x.shape) - 2)
