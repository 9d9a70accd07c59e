"""Pooling before concatenation: a concatenation that only poolings read is pooled part by part.

A pooling works on each channel by itself, so the concatenation of the pooled parts has the same
bytes.  Each part can be pooled as soon as its own producer is done, beside the others'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dse.network import graph as g
from dse.network import workload as w
from dse.network.names import Names
from dse.passes.placement import Graph
from dse.passes.rewrite import rewrite


def pool_parts(graph: Graph) -> Graph:
    """The graph without concatenations that nothing but poolings reads."""
    change = _in_network if isinstance(graph, g.Network) else _in_workload
    while (changed := change(graph)) is not graph:  # the parts may be concatenations themselves
        graph = changed
    return graph


def _in_workload(workload: w.Workload) -> w.Workload:
    nodes: dict[str, tuple[w.Node, ...]] = {}
    names = Names(workload.node)
    for join in workload.nodes:
        readers = workload.consumers[join.name]
        pools = [reader for reader in readers if isinstance(reader, w.Pool)]
        if not isinstance(join, w.Join) or join.kind != "concat":
            continue
        if pools and len(pools) == len(readers) and join.name not in workload.held:
            nodes[join.name] = ()
            nodes |= {pool.name: _pooled(workload, join, pool, names) for pool in pools}
    return rewrite(workload, nodes, {}) if nodes else workload


def _pooled(workload: w.Workload, join: w.Join, pool: w.Pool, names: Names) -> tuple[w.Node, ...]:
    height, width, _ = pool.shape
    parts = tuple(
        replace(
            pool,
            name=names.fresh(f"{pool.name}.{number}"),
            input=name,
            shape=(height, width, workload.node[name].shape[2]),
        )
        for number, name in enumerate(join.inputs)
    )
    return *parts, replace(
        join, name=pool.name, inputs=tuple(part.name for part in parts), shape=pool.shape
    )


def _in_network(network: g.Network) -> g.Network:
    concats = {op.output: op for op in network.operators if isinstance(op, g.Concat)}
    concats = {name: op for name, op in concats.items() if _only_pooled(name, network)}
    if not concats:
        return network
    tensors = {name: it for name, it in network.tensors.items() if name not in concats}
    operators: list[g.Operator] = []
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    for op in network.operators:
        if isinstance(op, g.Pool) and op.input in concats:
            parts = tuple(_parts(op, concats[op.input], names))
            for part in parts:
                channels = network.tensors[part.input].channels
                tensors[part.output] = replace(
                    tensors[op.output], name=part.output, channels=channels
                )
            operators += parts
            operators.append(g.Concat(op.name, tuple(p.output for p in parts), op.output))
        elif op.output not in concats:
            operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _only_pooled(tensor: str, network: g.Network) -> bool:
    readers = network.consumers[tensor]
    pooled = bool(readers) and all(isinstance(reader, g.Pool) for reader in readers)
    return pooled and tensor not in network.outputs


def _parts(pool: g.Pool, concat: g.Concat, names: Names) -> Iterator[g.Pool]:
    for number, name in enumerate(concat.inputs):
        own, output = (names.fresh(f"{wish}.{number}") for wish in (pool.name, pool.output))
        yield replace(pool, name=own, input=name, output=output)
