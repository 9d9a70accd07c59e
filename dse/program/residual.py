"""Residual additions: every Add becomes the tail of a convolution, since the writer adds.

A convolution qualifies if its result has no other use; where neither operand comes from such a
convolution, an identity is put in front, which changes no value.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.network.graph import Add, Concat, Conv, Network, Operator, Pool, Reshape, Slice, Window
from dse.network.names import Names
from dse.program.layers import ConvLayer, Layer, PoolLayer


def insert_identities(network: Network) -> Network:
    """The network with an identity in front of each Add that has no convolution of its own."""
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    tensors = dict(network.tensors)
    operators: list[Operator] = []
    for op in network.operators:
        if isinstance(op, Add) and fusible(network, op) is None:
            name = names.fresh(f"{op.name}.identity")
            tensors[name] = replace(tensors[op.a], name=name)
            operators.append(_identity(name, op.a, tensors[op.a].channels))
            op = replace(op, a=name)
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def fuse(network: Network) -> tuple[Layer, ...]:
    """The layers in execution order; a fused convolution takes the place of its Add."""
    fused = {
        conv.output
        for op in network.operators
        if isinstance(op, Add) and (conv := fusible(network, op))
    }
    layers: list[Layer] = []
    for op in network.operators:
        match op:
            case Conv() if op.output not in fused:
                layers.append(ConvLayer(op))
            case Pool():
                layers.append(PoolLayer(op))
            case Add():
                conv = fusible(network, op)
                assert conv is not None, f"{op.name!r} has no convolution: insert_identities first"
                layers.append(ConvLayer(conv, op))
            case Conv() | Concat() | Reshape() | Slice():
                pass
    return tuple(layers)


def fusible(network: Network, add: Add) -> Conv | None:
    """The convolution that the addition can be the tail of: the later one if there are two."""
    if add.a == add.b:
        return None
    order = {op.output: index for index, op in enumerate(network.operators)}
    found = [
        op
        for name in (add.a, add.b)
        if isinstance(op := network.producers.get(name), Conv)
        and network.consumers[name] == (add,)
        and name not in network.outputs
    ]
    return max(found, key=lambda conv: order[conv.output], default=None)


def _identity(name: str, source: str, channels: int) -> Conv:
    return Conv(
        name=name,
        input=source,
        output=name,
        weight=np.ones((channels, 1, 1, 1), np.int8),
        weight_scale=np.ones(channels),
        bias=np.zeros(channels, np.int32),
        window=Window(),
        groups=channels,
    )
