"""Pooling before concatenation: a concatenation that only poolings read is pooled part by part.

A pooling works on each channel by itself, so the concatenation of the pooled parts has the same
bytes.  Each part can be pooled as soon as its own producer is done, beside the others'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dse.network.graph import Concat, Network, Operator, Pool
from dse.network.names import Names


def pool_parts(network: Network) -> Network:
    """The graph without concatenations that nothing but poolings reads."""
    while (changed := _changed(network)) is not network:  # parts may be concatenations themselves
        network = changed
    return network


def _changed(network: Network) -> Network:
    concats = {op.output: op for op in network.operators if isinstance(op, Concat)}
    concats = {name: op for name, op in concats.items() if _only_pooled(name, network)}
    if not concats:
        return network
    tensors = {name: it for name, it in network.tensors.items() if name not in concats}
    operators: list[Operator] = []
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    for op in network.operators:
        if isinstance(op, Pool) and op.input in concats:
            parts = tuple(_parts(op, concats[op.input], names))
            for part in parts:
                channels = network.tensors[part.input].channels
                tensors[part.output] = replace(
                    tensors[op.output], name=part.output, channels=channels
                )
            operators += parts
            operators.append(Concat(op.name, tuple(p.output for p in parts), op.output))
        elif op.output not in concats:
            operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _only_pooled(tensor: str, network: Network) -> bool:
    readers = network.consumers[tensor]
    pooled = bool(readers) and all(isinstance(reader, Pool) for reader in readers)
    return pooled and tensor not in network.outputs


def _parts(pool: Pool, concat: Concat, names: Names) -> Iterator[Pool]:
    for number, name in enumerate(concat.inputs):
        own, output = (names.fresh(f"{wish}.{number}") for wish in (pool.name, pool.output))
        yield replace(pool, name=own, input=name, output=output)
