"""Space-to-depth: the host lays a strided convolution's image out in blocks, and the stride is 1.

A block of stride pixels becomes the channels of one pixel, so that few channels become many and the
bytes of a kernel row are used whole.  Taps that the kernel does not have get weights of zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse.network.conv_shape import ConvShape
from dse.network.graph import Conv, Network, Numbers, Operator, SpaceToDepth, Tensor, Window
from dse.network.names import Names


@dataclass(frozen=True)
class _Axis:
    """A window along one axis, in blocks: where tap k goes, and what kernel and padding become."""

    taps: tuple[tuple[int, int], ...]  # (block, pixel within it) of each tap
    kernel: int
    before: int
    after: int


def blocked_shape(conv: ConvShape) -> ConvShape:
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


def blockable(conv: ConvShape) -> bool:
    """Whether blocks change anything and can be laid out."""
    return conv.stride != (1, 1) and conv.groups == 1


def space_to_depth(network: Network) -> Network:
    """The graph whose strided convolutions of the network's inputs read blocks of them."""
    tensors = dict(network.tensors)
    names = Names([*tensors, *(op.name for op in network.operators)])
    operators: list[Operator] = []
    for op in network.operators:
        if isinstance(op, Conv) and op.input in network.inputs:
            shape = network.conv_shape(op)
            if blockable(shape):
                name = names.fresh(f"{op.name}.blocks")
                blocks = blocked_shape(shape)
                tensors[name] = Tensor(name, *blocks.input, tensors[op.input].quantisation)
                operators.append(SpaceToDepth(name, op.input, name, shape.stride))
                op = replace(
                    op,
                    input=name,
                    window=Window(blocks.kernel, padding=blocks.padding),
                    numbers=op.numbers and _blocked(op.numbers, shape, blocks),
                    own_products=blocks.own_products,
                )
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _blocked(numbers: Numbers, shape: ConvShape, blocks: ConvShape) -> Numbers:
    by, bx = shape.stride
    weight = np.zeros((shape.cout, *blocks.kernel, by, bx, shape.cin), np.int8)
    for i, (row, y) in enumerate(_axes(shape)[0].taps):
        for j, (column, x) in enumerate(_axes(shape)[1].taps):
            weight[:, row, column, y, x] = numbers.weight[:, i, j]
    return replace(numbers, weight=weight.reshape(shape.cout, *blocks.kernel, blocks.cin))


def _axes(conv: ConvShape) -> tuple[_Axis, _Axis]:
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
