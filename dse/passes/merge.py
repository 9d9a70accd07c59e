"""Merging sibling 1 x 1 convolutions: one convolution, whose channel ranges are their results.

Each result is a Slice, a view that costs nothing.  If some results are inputs of a concatenation,
they must be at one end of it, and the others lie beyond that end, in the same buffer:
[others | concatenation] or [concatenation | others].  What is read from such a buffer is no longer
contiguous, so that a merge is not always a gain: which ones to make is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dse.network import graph as g
from dse.network import workload as w
from dse.passes.pass_error import PassError
from dse.passes.placement import Graph, without_copies
from dse.passes.rewrite import rewrite, shapes
from dse.tiling.legality import against_merging

Group = tuple[str, ...]
Limit = int | npt.NDArray[np.int8]


def merged_name(group: Sequence[str]) -> str:
    """The name of the convolution that a group becomes; its members' are those of the slices."""
    return "+".join(group)


def merge(graph: Graph, groups: Sequence[Sequence[str]]) -> Graph:
    """The graph with each group merged; PassError if that cannot be laid out without a copy."""
    for group in groups:
        graph = _merged(graph, group)
    return graph


def siblings(graph: Graph) -> tuple[Group, ...]:
    """Groups that can be merged, all of them together; none could take a further sibling."""
    workload = shapes(graph)
    found: list[Group] = []
    for names in _alike(workload):
        # What no concatenation holds is free to join anything, so it comes first.
        left = sorted(names, key=lambda name: _seat(workload, name) is not None)
        while len(left) > 1:
            group = _grown(graph, left)
            if len(group) > 1:
                found.append(tuple(sorted(group, key=names.index)))
                graph = _merged(graph, found[-1])
            left = [name for name in left if name not in group]
    return tuple(found)


def _grown(graph: Graph, names: Sequence[str]) -> Group:
    """The first of the names and all that can join it, in whatever order they can."""
    group: Group = (names[0],)
    while True:
        more = next((n for n in names if n not in group and _possible(graph, (*group, n))), None)
        if more is None:
            return group
        group = (*group, more)


def _alike(workload: w.Workload) -> list[list[str]]:
    """Unfused 1 x 1 convolutions of the same tensor and stride."""
    found: dict[tuple[str, tuple[int, int]], list[str]] = {}
    for layer in workload.convolutions:
        if not against_merging(workload, (layer.name,)):
            found.setdefault((layer.input, layer.conv.stride), []).append(layer.name)
    return list(found.values())


def _possible(graph: Graph, group: Group) -> bool:
    try:
        _merged(graph, group)
    except PassError:
        return False
    return True


def _merged(graph: Graph, group: Sequence[str]) -> Graph:
    what = f"layers {', '.join(map(repr, group))} cannot be merged"
    if len(group) < 2:
        raise PassError(f"{what}: two different ones are the least")
    workload = shapes(graph)
    if why := against_merging(workload, group):
        raise PassError(f"{what}: {why}")
    layers = [layer for layer in workload.convolutions if layer.name in group]
    layers.sort(key=lambda layer: group.index(layer.name))
    refusal = PassError(what)
    for order in _orders(workload, layers):
        try:
            return without_copies(graph, _ordered(graph, merged_name(group), order), what)
        except PassError as error:
            refusal = error
    raise refusal


def _seat(workload: w.Workload, name: str) -> tuple[int, int] | None:
    """Where a tensor is in the concatenation that reads it first: its node's and input's number."""
    for number, node in enumerate(workload.nodes):
        if isinstance(node, w.Join) and node.kind == "concat" and name in node.inputs:
            return number, node.inputs.index(name)
    return None


def _orders(workload: w.Workload, layers: Sequence[w.Convolution]) -> Iterator[list[w.Convolution]]:
    """Orders of the channel ranges: those of a concatenation in its order, behind or before all."""
    seats = {layer.name: _seat(workload, layer.name) for layer in layers}
    seated = sorted((seat, layer.name) for layer in layers if (seat := seats[layer.name]))
    by_name = {layer.name: layer for layer in layers}
    joined = [by_name[name] for _, name in seated]
    others = [layer for layer in layers if seats[layer.name] is None]
    yield [*others, *joined]
    if others and joined:
        yield [*joined, *others]


def _ordered(graph: Graph, name: str, layers: Sequence[w.Convolution]) -> Graph:
    if isinstance(graph, g.Network):
        return _in_network(graph, name, [layer.name for layer in layers])
    return _in_workload(graph, name, layers)


def _starts(channels: Sequence[int]) -> list[int]:
    return [sum(channels[:index]) for index in range(len(channels))]


def _in_workload(workload: w.Workload, name: str, layers: Sequence[w.Convolution]) -> w.Workload:
    couts = [layer.conv.cout for layer in layers]
    whole = replace(layers[0], name=name, conv=replace(layers[0].conv, cout=sum(couts)))
    slices = [
        w.Slice(layer.name, name, layer.shape, start)
        for layer, start in zip(layers, _starts(couts), strict=True)
    ]
    first = next(n.name for n in workload.nodes if n in layers)
    nodes: dict[str, Sequence[w.Node]] = {layer.name: () for layer in layers}
    return rewrite(workload, {**nodes, first: (whole, *slices)}, {})


def _limits(limits: Sequence[Limit], couts: Sequence[int]) -> npt.NDArray[np.int8]:
    """Bounds of each channel."""
    parts = [np.broadcast_to(one, n) for one, n in zip(limits, couts, strict=True)]
    return np.concatenate(parts).astype(np.int8)


def _in_network(network: g.Network, name: str, names: Sequence[str]) -> g.Network:
    by_name = {conv.name: conv for conv in network.convolutions()}
    convs = [by_name[part] for part in names]
    tensors = [network.tensors[conv.output] for conv in convs]
    couts = [tensor.channels for tensor in tensors]
    whole = replace(
        tensors[0],
        name=name,
        channels=sum(couts),
        parts=tuple(part for tensor in tensors for part in tensor.ranges),
    )
    conv = replace(
        convs[0],
        name=name,
        output=name,
        weight=np.concatenate([conv.weight for conv in convs]),
        weight_scale=np.concatenate([conv.weight_scale for conv in convs]),
        bias=np.concatenate([conv.bias for conv in convs]),
        low=_limits([conv.low for conv in convs], couts),
        high=_limits([conv.high for conv in convs], couts),
    )
    slices = [
        g.Slice(part.name, name, part.output, start)
        for part, start in zip(convs, _starts(couts), strict=True)
    ]
    operators: list[g.Operator] = []
    for op in network.operators:
        if op not in convs:
            operators.append(op)
        elif conv not in operators:
            operators += [conv, *slices]
    return replace(network, tensors={**network.tensors, name: whole}, operators=tuple(operators))
