"""Lowering of the operators that enlarge images: transposed convolution, Resize, Upsample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx

from dse.network.graph import Window
from dse.onnx.arrange import Arranger
from dse.onnx.draft import Coefficients, DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.interpolate import interpolated, phases
from dse.onnx.lower_window import require_weights, show, spatial
from dse.onnx.source import attribute, node_name
from dse.onnx.values import Const, OverlayValue, Unsupported, require

INSTEAD = "enlarge by a whole number, align_corners off, or run it on the host"
MOST_AT_ONCE, MOST_TIMES = 5, 63
"""So many times larger, the shares of four pixels, and of two, are int8 weights."""


def conv_transpose(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight, bias = drafting.constant(node, 1), drafting.constant(node, 2)
    assert weight is not None
    x = spatial(drafting, node, drafting.operand(node))
    groups = cast(int, attribute(node, "group", 1))
    coefficients = transposed_weight(weight, groups)
    require_weights(coefficients)
    cout, cin, *kernel = coefficients.values.shape
    axes = len(kernel)
    require(axes == len(x.shape) - 2, f"its weights have shape {weight.array.shape}")
    require(cin * groups == x.tensor.channels, f"its input has {x.tensor.channels} channels")
    window, size = _transposed_window(node, x.shape[2:], kernel)
    values = coefficients.values.reshape(cout, cin, *window.kernel).transpose(0, 2, 3, 1)
    result = DraftTensor(node.output[0], *size, cout)
    layer = DraftLayer(
        "conv",
        node_name(node),
        node.op_type,
        [x.tensor],
        result,
        window,
        groups=groups,
        weight=Coefficients(values, coefficients.scale),
        bias=None if bias is None else bias.coefficients(0),
        transposed=True,
    )
    drafting.add(layer)
    show(drafting, node, result, x.dtype, axes)


def check_transposed(drafting: Drafting, node: onnx.NodeProto) -> None:
    weight = drafting.constant(node, 1)
    assert weight is not None
    require_weights(transposed_weight(weight, cast(int, attribute(node, "group", 1))))


def transposed_weight(weight: Const, groups: int) -> Coefficients:
    """The weights [Cout, Cin / groups, ...] of a ConvTranspose, which has [Cin, Cout / groups]."""
    require(weight.array.ndim > 2 and weight.array.shape[0] % groups == 0, "its groups are uneven")
    if groups == 1:
        return weight.coefficients(1)
    if weight.scale is not None and weight.scale.size > 1:
        raise Unsupported("its groups have scales per channel", "quantise them per tensor")
    own = weight.coefficients(0)
    cin, each, *kernel = own.values.shape
    parts = own.values.reshape(groups, cin // groups, each, *kernel)
    values = parts.swapaxes(1, 2).reshape(groups * each, cin // groups, *kernel)
    scale = None if own.scale is None else np.full(groups * each, own.scale[0])
    return Coefficients(values, scale)


def _transposed_window(
    node: onnx.NodeProto, size: Sequence[int], kernel: Sequence[int]
) -> tuple[Window, tuple[int, int]]:
    """The window, with the padding that is cut off in front, and the output's size."""
    axes = len(kernel)

    def listed(name: str, default: int, count: int = axes) -> list[int]:
        values = cast(list[int], attribute(node, name, [default] * count))
        require(len(values) == count, f"its {name} are {values}, for {axes} axes")
        return values

    stride, dilation, more = (
        listed("strides", 1),
        listed("dilations", 1),
        listed("output_padding", 0),
    )
    full = [
        s * (n - 1) + p + d * (k - 1) + 1
        for n, k, s, d, p in zip(size, kernel, stride, dilation, more, strict=True)
    ]
    shape = cast("list[int] | None", attribute(node, "output_shape"))
    mode = attribute(node, "auto_pad", "NOTSET")
    if shape is not None or mode.startswith("SAME"):
        sizes = shape or [n * s for n, s in zip(size, stride, strict=True)]
        cut = [max(f - n, 0) for f, n in zip(full, sizes[-axes:], strict=True)]
        before = [n // 2 if mode == "SAME_UPPER" else n - n // 2 for n in cut]
        outputs = list(sizes[-axes:])
    else:
        pads = listed("pads", 0, 2 * axes) if mode == "NOTSET" else [0] * 2 * axes
        before = pads[:axes]
        outputs = [f - a - b for f, a, b in zip(full, before, pads[axes:], strict=True)]
    require(min(outputs) > 0 and min(before) >= 0, f"its output would be {outputs}")
    first, extent = [1] * (2 - axes), [*[1] * (2 - axes), *outputs]
    top, left = [*[0] * (2 - axes), *before]
    window = Window(
        cast(tuple[int, int], (*first, *kernel)),
        cast(tuple[int, int], (*first, *stride)),
        cast(tuple[int, int], (*first, *dilation)),
        (top, left, 0, 0),
    )
    return window, (extent[0], extent[1])


def resize(drafting: Drafting, node: onnx.NodeProto) -> None:
    """Resize and Upsample by whole numbers: to the nearest pixel, or between pixels."""
    x = spatial(drafting, node, drafting.operand(node))
    mode = attribute(node, "mode", "nearest")
    if attribute(node, "axes") is not None:
        raise Unsupported("it lists its axes", "list the sizes or scales of all axes")
    outputs, scales = _enlarged(drafting, node, x.shape)
    require(outputs[:2] == x.shape[:2], f"it makes {outputs} of {x.shape}")
    arrange = Arranger(drafting.add, node_name(node), node.op_type, x.is_quantised)
    if all(n in (1, out) for n, out in zip(x.shape[2:], outputs[2:], strict=True)):
        mode = "nearest"  # there is nothing between
    if mode in ("linear", "bilinear"):
        _between(drafting, node, arrange, x, outputs)
        return
    if mode != "nearest":
        raise Unsupported(f"it interpolates ({mode})", INSTEAD)
    sources = [
        _nearest(node, n, out, scale)
        for n, out, scale in zip(x.shape[2:], outputs[2:], scales[2:], strict=True)
    ]
    if len(sources) == 1:
        sources = [np.arange(1), *sources]
    rows, columns = sources
    image = _repeated(arrange, x.tensor, 1, columns)
    image = _repeated(arrange, image, 0, rows)
    show(drafting, node, image, x.dtype, len(x.shape) - 2)


def _between(
    drafting: Drafting,
    node: onnx.NodeProto,
    arrange: Arranger,
    x: OverlayValue,
    outputs: Sequence[int],
) -> None:
    """The image with pixels between its own."""
    if x.is_quantised:
        raise Unsupported("it interpolates integers", "dequantise its input first")
    if attribute(node, "antialias", 0):
        raise Unsupported("it filters what it makes smaller", INSTEAD)
    mode = _coordinates(node)
    if mode not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric"):
        raise Unsupported(f"its coordinates are {mode}", INSTEAD)
    times = [1] * (4 - len(x.shape))
    times += [out // n for n, out in zip(x.shape[2:], outputs[2:], strict=True)]
    sizes = [n * t for n, t in zip(x.shape[2:], times[4 - len(x.shape) :], strict=True)]
    if sizes != list(outputs[2:]) or max(times) > MOST_TIMES:
        raise Unsupported(f"it makes {tuple(outputs)} of {x.shape}", INSTEAD)
    centred = mode != "asymmetric"
    ways = [times] if max(times) <= MOST_AT_ONCE else [(times[0], 1), (1, times[1])]
    image = x.tensor
    for rows, columns in ways:
        image = interpolated(arrange, image, phases(rows, centred), phases(columns, centred))
    show(drafting, node, image, x.dtype, len(x.shape) - 2)


def _coordinates(node: onnx.NodeProto) -> str:
    recent = node.op_type == "Resize" and len(node.input) > 2
    default = "half_pixel" if recent else "asymmetric"
    return cast(str, attribute(node, "coordinate_transformation_mode", default))


def _enlarged(
    drafting: Drafting, node: onnx.NodeProto, shape: Sequence[int]
) -> tuple[tuple[int, ...], list[float]]:
    """The output's shape, and the scale of each axis."""
    recent = node.op_type == "Resize" and len(node.input) > 2
    listed = attribute(node, "scales")
    given = np.array(listed) if listed else drafting.array(node, 2 if recent else 1)
    sizes = drafting.array(node, 3) if len(node.input) > 3 else None
    if sizes is not None and sizes.size:
        if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Unsupported("it keeps the aspect ratio", "give it the sizes that this makes")
        require(sizes.size == len(shape), f"its sizes are {sizes}")
        outputs = tuple(int(n) for n in sizes)
        return outputs, [out / n for out, n in zip(outputs, shape, strict=True)]
    require(given is not None and given.size == len(shape), "its scales are missing")
    assert given is not None
    scales = [float(scale) for scale in given]
    return tuple(int(np.floor(n * s)) for n, s in zip(shape, scales, strict=True)), scales


def _nearest(node: onnx.NodeProto, n: int, count: int, scale: float) -> npt.NDArray[np.int64]:
    """The pixel that each of ``count`` pixels is, along an axis of ``n``."""
    recent = node.op_type == "Resize" and len(node.input) > 2
    mode = _coordinates(node)
    rounding = attribute(node, "nearest_mode", "round_prefer_floor" if recent else "floor")
    at = np.arange(count, dtype=np.float64)
    match mode:
        case "asymmetric":
            real = at / scale
        case "half_pixel" | "pytorch_half_pixel" | "half_pixel_symmetric":
            real = (at + 0.5) / scale - 0.5
            if mode == "pytorch_half_pixel" and count == 1:
                real = np.zeros(1)
            if mode == "half_pixel_symmetric":
                real += n / 2 * (1 - count / (n * scale))
        case "align_corners":
            real = at * (n - 1) / max(count - 1, 1)
        case _:
            raise Unsupported(f"its coordinates are {mode}", INSTEAD)
    real = np.round(real, 9)  # ties are ties
    nearest = {
        "floor": np.floor(real),
        "ceil": np.ceil(real),
        "round_prefer_floor": np.ceil(real - 0.5),
        "round_prefer_ceil": np.floor(real + 0.5),
    }
    require(rounding in nearest, f"its nearest_mode is {rounding}")
    return np.clip(nearest[rounding], 0, n - 1).astype(np.int64)


def _repeated(
    arrange: Arranger, image: DraftTensor, axis: int, sources: npt.NDArray[np.int64]
) -> DraftTensor:
    """Each row (``axis`` 0) or column as often as the sources say: all equally often."""
    n = image.shape[axis]
    times = len(sources) // n
    if not np.array_equal(sources, np.repeat(np.arange(n), times)):
        raise Unsupported(
            f"it makes {len(sources)} of {n} pixels, not each of them equally often", INSTEAD
        )
    parts = [image] * times
    return arrange.rows_in_turn(parts) if axis == 0 else arrange.columns_in_turn(parts)
