"""What the passes share: a graph's shapes, and rewriting workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dse.network.graph import Network
from dse.networks.from_network import from_network
from dse.networks.workload import Convolution, Join, Node, Source, Workload
from dse.passes.errors import PassError


def shapes(graph: Network | Workload) -> Workload:
    """The graph as a workload: its layers by name."""
    return from_network(graph) if isinstance(graph, Network) else graph


def unfused(workload: Workload, name: str) -> Convolution:
    """The convolution of that name; PassError if there is none, or an addition needs its result.

    Only a convolution that writes its result as it is can be fused with the addition.
    """
    layer = workload.node.get(name)
    if not isinstance(layer, Convolution):
        raise PassError(f"there is no convolution {name!r}")
    if any(isinstance(node, Join) and node.kind == "add" for node in workload.consumers[name]):
        raise PassError(f"the result of {name!r} is a summand")
    return layer


def rewrite(
    workload: Workload, nodes: Mapping[str, Sequence[Node]], renamed: Mapping[str, str]
) -> Workload:
    """The workload with other nodes in the place of some; all others read the renamed tensors."""
    found: list[Node] = []
    for node in workload.nodes:
        found += nodes[node.name] if node.name in nodes else [_reading(node, renamed)]
    return replace(workload, nodes=tuple(found))


def _reading(node: Node, renamed: Mapping[str, str]) -> Node:
    match node:
        case Source():
            return node
        case Join(inputs=inputs):
            return replace(node, inputs=tuple(renamed.get(name, name) for name in inputs))
        case _:
            return replace(node, input=renamed.get(node.input, node.input))
