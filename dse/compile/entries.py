"""The host's share of a network: inputs that it lays out in blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dse.network.blocks import from_host
from dse.network.graph import Network, SpaceToDepth


def without_host(network: Network) -> tuple[Network, Mapping[str, SpaceToDepth]]:
    """The network with the host's results as inputs, and the operators that they come from."""
    done = {op.output: op for op in network.operators if isinstance(op, SpaceToDepth)}
    inputs = tuple(from_host(network))
    operators = tuple(op for op in network.operators if op.output not in done)
    turn = network.arrivals  # blocks come with the input that they are of
    sources = {name: done[name].input if name in done else name for name in inputs}
    arrivals = {name: turn[source] for name, source in sources.items() if source in turn}
    return replace(network, inputs=inputs, operators=operators, arrivals=arrivals), done
