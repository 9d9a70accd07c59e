"""Concatenations cost nothing where every input is written into its channel range at once.

An input that cannot live there (another one has its place, or its bytes must stay contiguous) is
copied by a 1 x 1 maximum pooling, which changes no value.
"""

from __future__ import annotations

from dataclasses import replace

from dse.network.graph import Concat, Network, Operator, Pool, Reshape, Window
from dse.program.names import Names


def insert_copies(network: Network) -> Network:
    """The network with a copy of each concat input that cannot be written in place."""
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    tensors = dict(network.tensors)
    operators: list[Operator] = []
    placed: set[str] = set()
    for op in network.operators:
        if isinstance(op, Concat):
            inputs = []
            for index, name in enumerate(op.inputs):
                if name in placed or not _placeable(network, name):
                    copy = names.fresh(f"{op.name}.copy{index}")
                    tensors[copy] = replace(tensors[name], name=copy)
                    operators.append(Pool(copy, name, copy, "max", Window()))
                    name = copy
                placed.add(name)
                inputs.append(name)
            op = replace(op, inputs=tuple(inputs))
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _placeable(network: Network, name: str) -> bool:
    producer = network.producers.get(name)
    if producer is None or isinstance(producer, Reshape):
        return False
    tensor = network.tensors[name]
    if tensor.height * tensor.width == 1:
        return True
    reshaped = any(isinstance(op, Reshape) for op in network.consumers[name])
    return not reshaped and name not in network.outputs
