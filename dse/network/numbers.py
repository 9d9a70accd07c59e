"""A network without its numbers, and an outline with random ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.network.graph import (
    INT8_MAX,
    INT8_MIN,
    ActivationTable,
    Add,
    Combine,
    Conv,
    Network,
    Numbers,
    Operator,
    Pool,
    Quantisation,
)
from dse.network.prune import prune

QUANTISATION = Quantisation(0.05, 0)


def without_numbers(network: Network) -> Network:
    """The network's outline, without what no output needs, as the compiler leaves it out."""
    network = prune(network)
    if network.is_outline:
        return network
    tensors = {
        name: replace(tensor, quantisation=None, parts=())
        for name, tensor in network.tensors.items()
    }
    operators = tuple(_bare(op) for op in network.operators)
    return replace(network, tensors=tensors, operators=operators)


def _bare(op: Operator) -> Operator:
    match op:
        case Conv():
            return replace(op, numbers=None, table=op.table and ActivationTable())
        case Pool():
            return replace(op, low=INT8_MIN, high=INT8_MAX, table=op.table and ActivationTable())
        case Add() | Combine():
            return replace(op, low=INT8_MIN, high=INT8_MAX)
        case _:
            return op


def with_random_numbers(network: Network, seed: int = 0) -> Network:
    """The network of an outline's shapes, with random weights and tables and no bias.

    Cycles depend on the shapes alone.
    """
    rng = np.random.default_rng(seed)
    tensors = {
        name: replace(tensor, quantisation=QUANTISATION) for name, tensor in network.tensors.items()
    }
    operators = tuple(_numbered(network, op, rng) for op in network.operators)
    return replace(network, tensors=tensors, operators=operators)


def _numbered(network: Network, op: Operator, rng: np.random.Generator) -> Operator:
    if isinstance(op, Conv):
        op = replace(op, numbers=_drawn(network, op, rng))
    if isinstance(op, Conv | Pool) and op.table is not None:
        values = rng.permutation(np.arange(INT8_MIN, INT8_MAX + 1))
        op = replace(op, table=ActivationTable.of(QUANTISATION, values))
    return op


def _drawn(network: Network, conv: Conv, rng: np.random.Generator) -> Numbers:
    conv_shape = network.conv_shape(conv)
    shape = (conv_shape.cout, *conv_shape.kernel, conv_shape.cin // conv_shape.groups)
    spread = 1 / (64 * np.sqrt(np.prod(shape[1:])))
    return Numbers(
        rng.integers(-127, 128, shape, dtype=np.int8),
        np.full(conv_shape.cout, spread),
        np.zeros(conv_shape.cout, np.int32),
    )
