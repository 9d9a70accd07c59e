"""Space-to-depth: the host lays a strided convolution's image out in blocks, and the stride is 1.

A block of stride pixels becomes the channels of one pixel, so that few channels become many and the
bytes of a kernel row are used whole.  Taps that the kernel does not have get weights of zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse.network import graph as g
from dse.network import workload as w
from dse.network.from_network import conv_shape
from dse.network.names import Names
from dse.passes.placement import Graph
from dse.passes.rewrite import rewrite


@dataclass(frozen=True)
class _Axis:
    """A window along one axis, in blocks: where tap k goes, and what kernel and padding become."""

    taps: tuple[tuple[int, int], ...]  # (block, pixel within it) of each tap
    kernel: int
    before: int
    after: int


def blocked_shape(conv: w.ConvShape) -> w.ConvShape:
    """The convolution of stride 1 over blocks of ``conv.stride`` pixels, with the same output."""
    y, x = _axes(conv)
    (by, bx) = conv.stride
    return replace(
        conv,
        height=-(-conv.height // by),
        width=-(-conv.width // bx),
        cin=by * bx * conv.cin,
        kernel=(y.kernel, x.kernel),
        stride=(1, 1),
        padding=(y.before, x.before, y.after, x.after),
        dilation=(1, 1),
        own_products=conv.products,
    )


def blockable(conv: w.ConvShape) -> bool:
    """Whether blocks change anything and can be laid out."""
    return conv.stride != (1, 1) and conv.groups == 1


def space_to_depth(graph: Graph) -> Graph:
    """The graph whose strided convolutions of the network's inputs read blocks of them."""
    return _in_network(graph) if isinstance(graph, g.Network) else _in_workload(graph)


def _in_workload(workload: w.Workload) -> w.Workload:
    nodes: dict[str, tuple[w.Node, ...]] = {}
    names = Names(workload.node)
    sources = [node.name for node in workload.nodes if isinstance(node, w.Source)]
    for layer in workload.convolutions:
        if layer.input in sources and blockable(layer.conv):
            conv = blocked_shape(layer.conv)
            blocks = w.Source(names.fresh(f"{layer.name}.blocks"), conv.input)
            nodes[layer.name] = blocks, w.Convolution(layer.name, blocks.name, conv)
    for name in sources:
        readers = workload.consumers[name]
        if name not in workload.held and readers and all(r.name in nodes for r in readers):
            nodes[name] = ()
    return rewrite(workload, nodes, {})


def _in_network(network: g.Network) -> g.Network:
    tensors = dict(network.tensors)
    names = Names([*tensors, *(op.name for op in network.operators)])
    operators: list[g.Operator] = []
    for op in network.operators:
        if isinstance(op, g.Conv) and op.input in network.inputs:
            shape = conv_shape(op, network)
            if blockable(shape):
                blocked = blocked_shape(shape)
                name = names.fresh(f"{op.name}.blocks")
                quantisation = tensors[op.input].quantisation
                tensors[name] = g.Tensor(name, *blocked.input, quantisation)
                operators.append(g.SpaceToDepth(name, op.input, name, shape.stride))
                op = _blocked(op, name, shape, blocked)
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _blocked(conv: g.Conv, blocks: str, shape: w.ConvShape, blocked: w.ConvShape) -> g.Conv:
    cout = len(conv.weight)
    by, bx = shape.stride
    weight = np.zeros((cout, *blocked.kernel, by, bx, shape.cin), np.int8)
    for i, (row, y) in enumerate(_axes(shape)[0].taps):
        for j, (column, x) in enumerate(_axes(shape)[1].taps):
            weight[:, row, column, y, x] = conv.weight[:, i, j]
    return replace(
        conv,
        input=blocks,
        weight=weight.reshape(cout, *blocked.kernel, blocked.cin),
        window=g.Window(blocked.kernel, padding=blocked.padding),
    )


def _axes(conv: w.ConvShape) -> tuple[_Axis, _Axis]:
    top, left, _, _ = conv.padding
    rows, columns = (
        _axis(*values)
        for values in zip(
            (conv.height, conv.width),
            (conv.o1, conv.o2),
            conv.kernel,
            conv.stride,
            conv.dilation,
            (top, left),
            strict=True,
        )
    )
    return rows, columns


def _axis(size: int, outputs: int, taps: int, block: int, dilation: int, before: int) -> _Axis:
    """Of the first output: tap k reads pixel k * dilation - before.

    The kernel also grows where the input's last block would otherwise give one more output.
    """
    reads = [k * dilation - before for k in range(taps)]
    first = reads[0] // block
    blocks = -(-size // block)
    kernel = max(reads[-1] // block - first + 1, blocks - first - outputs + 1)
    places = tuple((read // block - first, read % block) for read in reads)
    return _Axis(places, kernel, -first, outputs - 1 + kernel + first - blocks)
