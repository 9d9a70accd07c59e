"""Normalisations in front of maxima: the pooling that alone reads one normalises its own taps.

Rounding keeps the order of values, so that the maximum may be taken before it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.network.graph import Network, Operator, Pool, Window


def into_maxima(network: Network) -> Network:
    """The network whose maxima normalise what only they read."""
    taken = {
        op.output: op
        for op in network.operators
        if isinstance(op, Pool) and op.normalisation and _feeds_a_maximum(network, op)
    }
    operators: list[Operator] = []
    for op in network.operators:
        if isinstance(op, Pool) and op.input in taken:
            first = taken[op.input]
            low, high = (int(np.clip(bound, op.low, op.high)) for bound in (first.low, first.high))
            op = replace(op, input=first.input, normalisation=first.normalisation)
            op = replace(op, low=low, high=high)
        if op.output not in taken:
            operators.append(op)
    tensors = {name: tensor for name, tensor in network.tensors.items() if name not in taken}
    return replace(network, tensors=tensors, operators=tuple(operators))


def _feeds_a_maximum(network: Network, op: Pool) -> bool:
    if op.window != Window() or op.output in network.outputs:
        return False
    match network.consumers[op.output]:
        case [Pool(kind="max", table=None, normalisation=None) as pool]:
            own, after = (network.tensors[name].quantisation for name in (op.output, pool.output))
            return own == after
    return False
