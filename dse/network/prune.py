"""Parts of a network: what its outputs need, and what comes before its fully connected layers."""

from __future__ import annotations

from dataclasses import replace

from dse.network.graph import Conv, Network, Operator


def prune(network: Network) -> Network:
    """The network without the operators that no output needs."""
    needed = set(network.outputs)
    operators: list[Operator] = []
    for op in reversed(network.operators):
        if op.output in needed:
            needed.update(op.inputs)
            operators.append(op)
    return replace(network, operators=tuple(reversed(operators)))


def without_dense(network: Network) -> Network:
    """The convolutional part: fully connected layers and what reads only them are dropped.

    Not those that a convolution follows, such as the two of a squeeze and excitation.  What then
    has no reader is an output.
    """
    ahead = _before_convolutions(network)
    kept: list[Operator] = []
    dropped: set[str] = set()
    for op in network.operators:
        if (_dense(network, op) and op.output not in ahead) or dropped.intersection(op.inputs):
            dropped.add(op.output)
        else:
            kept.append(op)
    read = {name for op in kept for name in op.inputs}
    made = [op.output for op in kept if op.output not in read or op.output in network.outputs]
    return replace(network, operators=tuple(kept), outputs=tuple(made))


def _before_convolutions(network: Network) -> set[str]:
    """Tensors on which a convolution depends that is not fully connected."""
    found: set[str] = set()
    for op in reversed(network.operators):
        if op.output in found or (isinstance(op, Conv) and not _dense(network, op)):
            found.update(op.inputs)
    return found


def _dense(network: Network, op: Operator) -> bool:
    return isinstance(op, Conv) and network.conv_shape(op).is_dense
