"""Residual additions: every Add becomes the tail of a convolution, since the writer adds.

Which convolution, ``dse.tiling.legality.tails`` says; where neither operand comes from one that
qualifies, an identity is put in front, which changes no value.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from dse.compile.layers import ConvLayer, DepthwiseLayer, Layer, PairLayer, PoolLayer
from dse.network.graph import (
    Add,
    Combine,
    Concat,
    Conv,
    Crop,
    Network,
    Numbers,
    Operator,
    Pool,
    Reshape,
    Slice,
    Window,
)
from dse.network.names import Names
from dse.tiling.legality import tails


def insert_identities(network: Network) -> Network:
    """The network with an identity in front of each Add that has no convolution of its own."""
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    tensors = dict(network.tensors)
    operators: list[Operator] = []
    fused = tails(network)
    for op in network.operators:
        if isinstance(op, Add) and op.name not in fused:
            name = names.fresh(f"{op.name}.identity")
            tensors[name] = replace(tensors[op.a], name=name)
            groups = tensors[op.a].channels
            numbers = None if network.is_outline else _ones(groups)
            operators.append(Conv(name, op.a, name, Window(), groups, numbers))
            op = replace(op, a=name)
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def fuse(network: Network, beside: Collection[str] = ()) -> tuple[Layer, ...]:
    """The layers in execution order; a fused convolution takes the place of its Add.

    ``beside``: depthwise convolutions that the engine beside the array takes.
    """
    fused = tails(network)
    convs = {conv.name: conv for conv in network.convolutions()}
    layers: list[Layer] = []
    for op in network.operators:
        match op:
            case Conv() if op.name in beside:
                layers.append(DepthwiseLayer(op))
            case Conv() if op.name not in fused.values():
                layers.append(ConvLayer(op))
            case Pool():
                layers.append(PoolLayer(op))
            case Combine():
                layers.append(PairLayer(op))
            case Add():
                layers.append(ConvLayer(convs[fused[op.name]], op))
            case Conv() | Concat() | Reshape() | Slice() | Crop():
                pass
    return tuple(layers)


def _ones(channels: int) -> Numbers:
    """Of an identity, a convolution of groups of one channel."""
    weight = np.ones((channels, 1, 1, 1), np.int8)
    return Numbers(weight, np.ones(channels), np.zeros(channels, np.int32))
