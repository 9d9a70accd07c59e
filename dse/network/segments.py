"""The segments of a network: what the overlay executes between two turns of the host."""

from __future__ import annotations

from dataclasses import replace

from dse.network.graph import Network
from dse.network.prune import prune


def segments(network: Network) -> tuple[Network, ...]:
    """The network cut where the host must compute inputs of it from outputs; itself if nowhere.

    An operator is in the first segment in which all that it reads is there.  A tensor that a later
    segment reads is an output of its own and an input of that one, in the same bytes.
    """
    if not network.arrivals:
        return (network,)
    network = prune(network)
    turn = turns(network)
    count = max(turn[op.output] for op in network.operators) + 1
    return tuple(_segment(network, turn, number, count) for number in range(count))


def turns(network: Network) -> dict[str, int]:
    """The number of the segment in which each tensor is there."""
    turn = {name: network.arrivals.get(name, 0) for name in network.inputs}
    for op in network.operators:
        turn[op.output] = max(turn[name] for name in op.inputs)
    return turn


def _segment(network: Network, turn: dict[str, int], number: int, count: int) -> Network:
    own = tuple(op for op in network.operators if turn[op.output] == number)
    later = [op for op in network.operators if turn[op.output] > number]
    made = {op.output for op in own}
    left = {*network.outputs, *(name for op in later for name in op.inputs)}
    read = dict.fromkeys(name for op in own for name in op.inputs if name not in made)
    return replace(
        network,
        name=f"{network.name}, segment {number + 1} of {count}",
        tensors={name: network.tensors[name] for name in (*read, *(op.output for op in own))},
        operators=own,
        inputs=tuple(read),
        outputs=tuple(op.output for op in own if op.output in left),
        arrivals={},
    )
