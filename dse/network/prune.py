"""Dead operators: what no output depends on is not executed."""

from __future__ import annotations

from dataclasses import replace

from dse.network.graph import Network, Operator


def prune(network: Network) -> Network:
    """The network without the operators that no output needs."""
    needed = set(network.outputs)
    operators: list[Operator] = []
    for op in reversed(network.operators):
        if op.output in needed:
            needed.update(op.inputs)
            operators.append(op)
    return replace(network, operators=tuple(reversed(operators)))
