"""Folding: f horizontally adjacent output pixels become f * Cout channels of one.

The kernel grows by the f - 1 strides between the pixels; each pixel's weights are shifted by its
own.  [H, W / f, f * Cout] holds the same bytes as [H, W, Cout], so the result lands in place.
If f does not divide W, the last pixels of a row are beyond the image: what is read is a crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dse.network.conv_shape import ConvShape
from dse.network.graph import Crop, Network, Numbers, Operator, Reshape
from dse.network.names import Names
from dse.passes.layer_shapes import layer_shapes
from dse.passes.pass_error import PassError
from dse.tiling.legality import against_folding
from hw.isa.config import ceil_div


def folded_shape(conv: ConvShape, factor: int) -> ConvShape:
    """The convolution whose output is [o1, o2 / factor, factor * cout], of whole pixels; PassError
    if illegal.

    The windows reach as far as before, or as those of the pixels that fill the last one up.
    """
    if why := against_folding(conv, factor):
        raise PassError(f"folding by {factor!r}: {why}")
    (ky, kx), (sy, sx) = conv.kernel, conv.stride
    top, left, bottom, right = conv.padding
    pixels = factor * ceil_div(conv.o2, factor)
    reach = (pixels - 1) * sx + kx - left - conv.width
    return replace(
        conv,
        cout=factor * conv.cout,
        kernel=(ky, kx + (factor - 1) * sx),
        stride=(sy, factor * sx),
        padding=(top, left, bottom, max(right, reach)),
        own_products=conv.products,
        unread=(pixels - conv.o2) * conv.cout,
    )


def fold_factors(conv: ConvShape) -> tuple[int, ...]:
    """All factors by which a convolution can be folded, 1 included."""
    return tuple(f for f in range(1, conv.o2 + 1) if not against_folding(conv, f))


def fold(network: Network, factors: Mapping[str, int], in_place: bool = True) -> Network:
    """The graph with convolutions folded, by name; a Reshape unfolds each result, and a Crop
    leaves out what is beyond the image.

    PassError where a factor is illegal.  ``in_place``: of concatenations, see ``insert_copies``.
    """
    shapes = layer_shapes(network, in_place)
    for name, factor in factors.items():
        try:
            if name not in shapes:
                raise PassError(f"there is no convolution {name!r}")
            network = _folded(network, name, folded_shape(shapes[name], factor), factor)
        except PassError as error:
            raise PassError(f"layer {name!r} cannot be folded by {factor}: {error}") from None
    return network


def _folded(network: Network, name: str, shape: ConvShape, factor: int) -> Network:
    conv = next(conv for conv in network.convolutions() if conv.name == name)
    tensor = network.tensors[conv.output]
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    wide = replace(
        tensor,
        name=names.fresh(f"{tensor.name}.folded"),
        width=shape.o2,
        channels=shape.cout,
        parts=factor * tensor.parts,
    )
    stride = conv.window.stride[1]
    folded = replace(
        conv,
        output=wide.name,
        window=replace(
            conv.window, kernel=shape.kernel, stride=shape.stride, padding=shape.padding
        ),
        numbers=conv.numbers and _repeated(conv.numbers, shape.kernel[1], stride, factor),
        own_products=shape.products,
        unread=shape.unread,
    )
    rows = replace(tensor, width=factor * shape.o2)
    new: list[Operator] = [folded]
    if rows.width > tensor.width:
        rows = replace(rows, name=names.fresh(f"{tensor.name}.padded"))
        new.append(Crop(names.fresh(f"{name}.crop"), rows.name, conv.output))
    new.insert(1, Reshape(names.fresh(f"{name}.unfold"), wide.name, rows.name))
    tensors = {**network.tensors, wide.name: wide, rows.name: rows}
    operators = [one for op in network.operators for one in (new if op is conv else (op,))]
    return replace(network, tensors=tensors, operators=tuple(operators))


def _repeated(numbers: Numbers, width: int, stride: int, factor: int) -> Numbers:
    """The numbers of all pixels' channels."""
    low, high = (
        limit if isinstance(limit, int) else np.tile(limit, factor)
        for limit in (numbers.low, numbers.high)
    )
    return Numbers(
        _shifted(numbers.weight, width, stride, factor),
        np.tile(numbers.weight_scale, factor),
        np.tile(numbers.bias, factor),
        low,
        high,
    )


def _shifted(
    weight: npt.NDArray[np.int8], width: int, stride: int, factor: int
) -> npt.NDArray[np.int8]:
    """[factor * Cout, Ky, width, Cin]: pixel p's weights begin p strides further right."""
    cout, ky, kx, cin = weight.shape
    wide = np.zeros((factor, cout, ky, width, cin), np.int8)
    for pixel, part in enumerate(wide):
        part[:, :, pixel * stride : pixel * stride + kx] = weight
    return wide.reshape(factor * cout, ky, width, cin)
