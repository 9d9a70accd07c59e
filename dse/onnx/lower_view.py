"""Lowering of the operators that choose among values, or put them in another order."""

from __future__ import annotations

from typing import cast

import numpy as np
import onnx

from dse.onnx.drafting import Drafting
from dse.onnx.elements import Positions, plain
from dse.onnx.source import attribute
from dse.onnx.values import OverlayValue, Unsupported, require


def slice_(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    listed = [attribute(node, name) for name in ("starts", "ends", "axes")]
    given = [drafting.array(node, index) for index in range(1, 5)]
    starts, ends, axes, steps = (
        list(map(int, array.reshape(-1))) if array is not None else values
        for array, values in zip(given, [*listed, None], strict=True)
    )
    require(starts is not None and ends is not None, "its starts and ends are missing")
    assert starts is not None and ends is not None
    require(all(array is None or array.ndim == 1 for array in given), "its starts are no list")
    where = [slice(None)] * len(x.shape)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        stop = None if step < 0 and end < -x.shape[axis] else end
        where[axis] = slice(start, stop, step)
    _show(drafting, node, x, elements(x)[tuple(where)])


def split(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    axis = cast(int, attribute(node, "axis", 0)) % len(x.shape)
    extent, count = x.shape[axis], len(node.output)
    listed = attribute(node, "split")
    sizes = np.array(listed) if listed else drafting.array(node, 1)
    if sizes is None:
        each = -(-extent // count)
        sizes = np.array([each] * (count - 1) + [extent - each * (count - 1)])
    require(len(sizes) == count and sizes.sum() == extent, f"its parts are {sizes}")
    parts = np.split(elements(x), np.cumsum(sizes)[:-1].astype(int), axis)
    for index, part in enumerate(parts):
        _show(drafting, node, x, part, index)


def gather(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    indices = drafting.array(node, 1)
    assert indices is not None
    axis = cast(int, attribute(node, "axis", 0)) % len(x.shape)
    _show(drafting, node, x, np.take(elements(x), indices.astype(np.int64), axis))


def depth_to_space(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    block = cast(int, attribute(node, "blocksize"))
    one, channels, height, width = _image(x)
    require(channels % block**2 == 0, f"its {channels} channels are no blocks of {block}")
    if attribute(node, "mode", "DCR") == "DCR":
        parts = elements(x).reshape(one, block, block, -1, height, width)
        moved = parts.transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = elements(x).reshape(one, -1, block, block, height, width)
        moved = parts.transpose(0, 1, 4, 2, 5, 3)
    _show(drafting, node, x, moved.reshape(one, -1, height * block, width * block))


def space_to_depth(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    block = cast(int, attribute(node, "blocksize"))
    one, channels, height, width = _image(x)
    require(height % block == width % block == 0, f"its image is no blocks of {block}")
    parts = elements(x).reshape(one, channels, height // block, block, width // block, block)
    moved = parts.transpose(0, 3, 5, 1, 2, 4)
    _show(drafting, node, x, moved.reshape(one, -1, height // block, width // block))


def transpose(drafting: Drafting, node: onnx.NodeProto) -> None:
    x = drafting.seen(node)
    order = attribute(node, "perm", list(reversed(range(len(x.shape)))))
    moved = [axis for axis in order if x.shape[axis] > 1]
    if x.elements is None and moved == sorted(moved):
        seen_as(drafting, node, x, tuple(x.shape[axis] for axis in order))
    else:
        _show(drafting, node, x, elements(x).transpose(order))


def elements(x: OverlayValue) -> Positions:
    """The positions of a value's elements in its tensor."""
    return plain(x.tensor.shape, x.shape) if x.elements is None else x.elements


def seen_as(
    drafting: Drafting, node: onnx.NodeProto, x: OverlayValue, shape: tuple[int, ...]
) -> None:
    """The same values in the same order with another shape."""
    if x.elements is not None:
        _show(drafting, node, x, x.elements.reshape(shape))
    elif x.tensor in drafting.stand_ins:
        drafting.set(node, drafting.stand_in(node.output[0], shape, x.dtype))
    else:
        drafting.set(node, OverlayValue(x.tensor, shape, x.dtype))


def _image(x: OverlayValue) -> tuple[int, int, int, int]:
    if len(x.shape) != 4:
        raise Unsupported(f"its input has shape {x.shape}", "only images can be rearranged")
    return x.shape


def _show(
    drafting: Drafting, node: onnx.NodeProto, x: OverlayValue, shown: Positions, index: int = 0
) -> None:
    """Record what output ``index`` shows of the tensor: plainly, if it is all of it in order."""
    require(shown.size > 0, "nothing is left of it")
    if x.tensor in drafting.stand_ins:
        value = drafting.stand_in(node.output[index], shown.shape, x.dtype)
    else:
        value = OverlayValue(x.tensor, shown.shape, x.dtype, shown)
        height, width, channels = x.tensor.shape
        if shown.size == height * width * channels and np.array_equal(
            shown, plain(x.tensor.shape, shown.shape)
        ):
            value = OverlayValue(x.tensor, shown.shape, x.dtype)
    drafting.set(node, value, index)
