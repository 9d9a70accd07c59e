"""Tables behind convolutions: a table that alone reads a convolution's result is its own."""

from __future__ import annotations

from dataclasses import replace

from dse.network.graph import ActivationTable, Conv, Network, Operator, Pool, Window


def behind_convolutions(network: Network) -> Network:
    """The network whose convolutions apply the tables that only they feed."""
    owners: dict[str, Pool] = {}
    for op in network.operators:
        if isinstance(op, Conv) and (pool := _follower(network, op)) is not None:
            owners[op.name] = pool
    taken = {pool.name for pool in owners.values()}
    operators: list[Operator] = []
    tensors = dict(network.tensors)
    for op in network.operators:
        if isinstance(op, Conv) and op.name in owners:
            del tensors[op.output]
            pool = owners[op.name]
            operators.append(replace(op, output=pool.output, table=pool.table))
        elif op.name not in taken:
            operators.append(op)
    return replace(network, tensors=tensors, operators=tuple(operators))


def _follower(network: Network, conv: Conv) -> Pool | None:
    """The only reader of a convolution, if it does no more than apply a table."""
    if conv.table is not None or conv.output in network.outputs:
        return None
    match network.consumers[conv.output]:
        case [Pool(table=ActivationTable(), window=window) as pool] if window == Window():
            return pool
    return None
