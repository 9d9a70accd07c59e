"""What the passes share: a graph's shapes, and rewriting workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dse.network.from_network import from_network
from dse.network.graph import Network
from dse.network.workload import Join, Node, Source, Workload


def shapes(graph: Network | Workload) -> Workload:
    """The graph as a workload: its layers by name."""
    return from_network(graph) if isinstance(graph, Network) else graph


def rewrite(
    workload: Workload, nodes: Mapping[str, Sequence[Node]], renamed: Mapping[str, str]
) -> Workload:
    """The workload with other nodes in the place of some; all others read the renamed tensors."""
    found: list[Node] = []
    for node in workload.nodes:
        found += nodes[node.name] if node.name in nodes else [_reading(node, renamed)]
    held = frozenset(renamed.get(name, name) for name in workload.held)
    return replace(workload, nodes=tuple(found), held=held)


def _reading(node: Node, renamed: Mapping[str, str]) -> Node:
    match node:
        case Source():
            return node
        case Join(inputs=inputs):
            return replace(node, inputs=tuple(renamed.get(name, name) for name in inputs))
        case _:
            return replace(node, input=renamed.get(node.input, node.input))
