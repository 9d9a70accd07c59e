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
from dse.network import workload as w
from dse.network.names import Names
from dse.passes.pass_error import PassError
from dse.passes.placement import Graph, placement
from dse.passes.rewrite import rewrite, shapes
from dse.tiling.legality import against_folding, tails


def folded_shape(conv: w.ConvShape, factor: int) -> w.ConvShape:
    """The convolution whose output is [o1, o2 / factor, factor * cout]; PassError if illegal.

    The windows reach as far as before, so the padding stays.
    """
    if why := against_folding(conv, factor):
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
    return tuple(f for f in range(1, conv.o2 + 1) if not against_folding(conv, f))


def fold(graph: Graph, factors: Mapping[str, int], in_place: bool = True) -> Graph:
    """The graph with convolutions folded, by name; a Reshape unfolds each result.

    PassError where a factor is illegal.  ``in_place``: of concatenations, see ``insert_copies``.
    """
    convs = {x.name: x.conv for x in note_unfolded(shapes(graph), in_place).convolutions}
    for name, factor in factors.items():
        try:
            if name not in convs:
                raise PassError(f"there is no convolution {name!r}")
            graph = _folded(graph, name, folded_shape(convs[name], factor), factor)
        except PassError as error:
            raise PassError(f"layer {name!r} cannot be folded by {factor}: {error}") from None
    return graph


def note_unfolded(workload: w.Workload, in_place: bool = True) -> w.Workload:
    """The workload whose convolutions know whether their results must be written as they are.

    A folded result is dense, so that it cannot lie in the channel range of a concatenation; and
    only an unfolded one can be fused with an addition.
    """
    places = placement(workload, in_place).places
    fused = set(tails(workload).values())

    def reason(name: str, channels: int) -> str:
        if name in fused:
            return "its result is a summand, added by the convolution itself"
        return "" if places[name].pitch == channels else "a concatenation would need a copy"

    def noted(node: w.Node) -> w.Node:
        if not isinstance(node, w.Convolution):
            return node
        why = reason(node.name, node.conv.cout)
        return replace(node, conv=replace(node.conv, unfolded=why))

    return replace(workload, nodes=tuple(noted(node) for node in workload.nodes))


def _folded(graph: Graph, name: str, shape: w.ConvShape, factor: int) -> Graph:
    if isinstance(graph, g.Network):
        return _in_network(graph, name, shape, factor)
    layer = graph.node[name]
    assert isinstance(layer, w.Convolution)
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
