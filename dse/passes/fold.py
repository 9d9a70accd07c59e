"""Folding: f horizontally adjacent output pixels become f * Cout channels of one.

The kernel grows by the f - 1 strides between the pixels; each pixel's weights are shifted by its
own.  [H, W / f, f * Cout] holds the same bytes as [H, W, Cout], so the result lands in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dse.network import graph as g
from dse.network.names import Names
from dse.networks import workload as w
from dse.passes.errors import PassError
from dse.passes.placement import Graph, without_copies
from dse.passes.rewrite import rewrite, shapes, unfused


def folded_shape(conv: w.ConvShape, factor: int) -> w.ConvShape:
    """The convolution whose output is [o1, o2 / factor, factor * cout]; PassError if illegal.

    The windows reach as far as before, so the padding stays.
    """
    if why := obstacle(conv, factor):
        raise PassError(f"folding by {factor!r}: {why}")
    (ky, kx), (sy, sx) = conv.kernel, conv.stride
    return replace(
        conv,
        cout=factor * conv.cout,
        kernel=(ky, kx + (factor - 1) * sx),
        stride=(sy, factor * sx),
    )


def fold_factors(conv: w.ConvShape) -> tuple[int, ...]:
    """All factors by which a convolution can be folded, 1 included."""
    return tuple(f for f in range(1, conv.o2 + 1) if not obstacle(conv, f))


def obstacle(conv: w.ConvShape, factor: int) -> str:
    """Why a convolution cannot be folded by ``factor``; empty if it can."""
    if factor < 1:
        return "the factor must be positive"
    if conv.o2 % factor:
        return f"the output is {conv.o2} pixels wide, which is no multiple"
    if factor > 1 and conv.groups > 1:
        return f"the convolution has {conv.groups} groups"
    if factor > 1 and conv.dilation[1] > 1:
        return f"the kernel is dilated by {conv.dilation[1]}"
    return ""


def fold(graph: Graph, factors: Mapping[str, int]) -> Graph:
    """The graph with convolutions folded, by name; a Reshape unfolds each result.

    PassError where a factor is illegal, where the result would have to be copied to its place in a
    concatenation, and where it is a summand: an addition is only fused with an unfolded result.
    """
    for name, factor in factors.items():
        what = f"layer {name!r} cannot be folded by {factor}"
        try:
            folded = _folded(graph, name, factor)
        except PassError as error:
            raise PassError(f"{what}: {error}") from None
        graph = without_copies(graph, folded, what)
    return graph


def _folded(graph: Graph, name: str, factor: int) -> Graph:
    layer = unfused(shapes(graph), name)
    shape = folded_shape(layer.conv, factor)
    if isinstance(graph, g.Network):
        return _in_network(graph, name, shape, factor)
    unfold = w.Reshape(Names(graph.node).fresh(f"{name}.unfold"), name, layer.shape)
    return rewrite(graph, {name: (replace(layer, conv=shape), unfold)}, {name: unfold.name})


def _in_network(network: g.Network, name: str, shape: w.ConvShape, factor: int) -> g.Network:
    conv = next(conv for conv in network.convolutions() if conv.name == name)
    tensor = network.tensors[conv.output]
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    folded = replace(
        tensor,
        name=names.fresh(f"{tensor.name}.folded"),
        width=tensor.width // factor,
        channels=factor * tensor.channels,
        parts=factor * tensor.parts,
    )
    wide = replace(
        conv,
        output=folded.name,
        weight=_shifted(conv.weight, shape.kernel[1], conv.window.stride[1], factor),
        weight_scale=np.tile(conv.weight_scale, factor),
        bias=np.tile(conv.bias, factor),
        window=replace(conv.window, kernel=shape.kernel, stride=shape.stride),
        low=conv.low if isinstance(conv.low, int) else np.tile(conv.low, factor),
        high=conv.high if isinstance(conv.high, int) else np.tile(conv.high, factor),
    )
    unfold = g.Reshape(names.fresh(f"{name}.unfold"), folded.name, conv.output)
    operators = [
        new for op in network.operators for new in ((wide, unfold) if op is conv else (op,))
    ]
    tensors = {**network.tensors, folded.name: folded}
    return replace(network, tensors=tensors, operators=tuple(operators))


def _shifted(
    weight: npt.NDArray[np.int8], width: int, stride: int, factor: int
) -> npt.NDArray[np.int8]:
    """[factor * Cout, Ky, width, Cin]: pixel p's weights begin p strides further right."""
    cout, ky, kx, cin = weight.shape
    wide = np.zeros((factor, cout, ky, width, cin), np.int8)
    for pixel, part in enumerate(wide):
        part[:, :, pixel * stride : pixel * stride + kx] = weight
    return wide.reshape(factor * cout, ky, width, cin)
