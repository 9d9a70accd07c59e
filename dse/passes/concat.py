"""Concatenation in place: an input that cannot be written at its place is copied there.

The copy is a 1 x 1 maximum pooling, which changes no value.  The switch off, all inputs are copied.
A slice whose bytes must be contiguous is a copy as well.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dse.network.graph import Concat, Network, Operator, Pool, Slice, Window
from dse.network.names import Names
from dse.network.segments import turns
from dse.passes.placement import Slot, placement


def insert_copies(network: Network, in_place: bool = True) -> Network:
    """The graph with a copy of each slice, and each input of a concatenation, that needs one.

    Not of what comes from an earlier segment: that one's copies are made as it is compiled.
    """
    turn, inputs = turns(network), {op.output: op.inputs for op in network.operators}
    copies = placement(network, in_place).copies
    return with_copies(
        network, {(name, k) for name, k in copies if turn[name] == turn[inputs[name][k]]}
    )


def with_copies(network: Network, slots: Collection[Slot]) -> Network:
    """The graph with a copy of these slices and inputs of concatenations."""
    names = Names([*network.tensors, *(op.name for op in network.operators)])
    tensors = dict(network.tensors)
    operators: list[Operator] = []
    for op in network.operators:
        if isinstance(op, Concat):
            inputs = list(op.inputs)
            for index, name in enumerate(op.inputs):
                if (op.output, index) in slots:
                    inputs[index] = copy = names.fresh(f"{op.name}.copy{index}")
                    tensors[copy] = replace(tensors[name], name=copy)
                    operators.append(Pool(copy, name, copy, "max", Window()))
            op = replace(op, inputs=tuple(inputs))
        elif isinstance(op, Slice) and (op.output, 0) in slots:
            view = names.fresh(f"{op.name}.view")
            tensors[view] = replace(tensors[op.output], name=view)
            operators.append(replace(op, output=view))
            op = Pool(names.fresh(f"{op.name}.copy"), view, op.output, "max", Window())
        operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))
