"""Concatenation in place: an input that cannot be written at its place is copied there.

The copy is a 1 x 1 maximum pooling, which changes no value.  The switch off, all inputs are copied.
"""

from __future__ import annotations

from dataclasses import replace

from dse.network import graph as g
from dse.network import workload as w
from dse.network.names import Names
from dse.passes.placement import Graph, Slot, placement


def insert_copies(graph: Graph, in_place: bool = True) -> Graph:
    """The graph with a copy of each input of a concatenation that needs one."""
    copies = placement(graph, in_place).copies
    if isinstance(graph, g.Network):
        return _in_network(graph, copies)
    return _in_workload(graph, copies)


def _in_network(network: g.Network, copies: frozenset[Slot]) -> g.Network:
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    tensors = dict(network.tensors)
    operators: list[g.Operator] = []
    for op in network.operators:
        if isinstance(op, g.Concat):
            inputs = list(op.inputs)
            for index, name in enumerate(op.inputs):
                if (op.output, index) in copies:
                    inputs[index] = copy = names.fresh(f"{op.name}.copy{index}")
                    tensors[copy] = replace(tensors[name], name=copy)
                    operators.append(g.Pool(copy, name, copy, "max", g.Window()))
            op = replace(op, inputs=tuple(inputs))
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _in_workload(workload: w.Workload, copies: frozenset[Slot]) -> w.Workload:
    names = Names(workload.node)
    nodes: list[w.Node] = []
    for node in workload.nodes:
        if isinstance(node, w.Join) and node.kind == "concat":
            inputs = list(node.inputs)
            for index, name in enumerate(node.inputs):
                if (node.name, index) in copies:
                    inputs[index] = copy = names.fresh(f"{node.name}.copy{index}")
                    shape = workload.node[name].shape
                    nodes.append(w.Pool(copy, name, shape, "max", (1, 1), (1, 1)))
            node = replace(node, inputs=tuple(inputs))
        nodes.append(node)
    return replace(workload, nodes=tuple(nodes))
