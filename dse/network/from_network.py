"""The workload of a quantised network: its shapes, without its numbers."""

from __future__ import annotations

from dse.network import workload as w
from dse.network.blocks import rearranged
from dse.network.graph import (
    Add,
    Concat,
    Conv,
    Network,
    Operator,
    Pool,
    Reshape,
    Slice,
    SpaceToDepth,
)
from dse.network.prune import prune


def from_network(network: Network) -> w.Workload:
    """Nodes are named after the operators; tensors are known by the operator that writes them.

    What no output needs is left out, as the compiler leaves it out.
    """
    network = prune(network)
    writer = {op.output: op.name for op in network.operators}
    writer.update({name: name for name in network.inputs})
    nodes: list[w.Node] = [
        w.Source(name, network.tensors[name].shape)
        for name in network.inputs
        if name not in rearranged(network) and (network.consumers[name] or name in network.outputs)
    ]
    nodes += [_node(op, network, writer) for op in network.operators]
    held = {writer[name] for name in network.outputs if network.consumers[name]}
    return w.Workload(network.name, tuple(nodes), frozenset(held))


def _node(op: Operator, network: Network, writer: dict[str, str]) -> w.Node:
    inputs = tuple(writer[name] for name in op.inputs)
    shape = network.tensors[op.output].shape
    match op:
        case Conv():
            return w.Convolution(op.name, inputs[0], conv_shape(op, network))
        case Pool(kind=kind, window=window):
            return w.Pool(op.name, inputs[0], shape, kind, window.kernel, window.stride)
        case Reshape():
            return w.Reshape(op.name, inputs[0], shape)
        case SpaceToDepth():
            return w.Source(op.name, shape)
        case Slice(channel=channel):
            return w.Slice(op.name, inputs[0], shape, channel)
        case Add():
            return w.Join(op.name, inputs, shape, "add")
        case Concat():
            return w.Join(op.name, inputs, shape, "concat")


def conv_shape(conv: Conv, network: Network) -> w.ConvShape:
    """The shape of one of the network's convolutions."""
    height, width, channels = network.tensors[conv.input].shape
    return w.ConvShape(
        height,
        width,
        channels,
        conv.weight.shape[0],
        conv.window.kernel,
        conv.window.stride,
        conv.window.padding,
        conv.window.dilation,
        conv.groups,
    )
