"""Lifetimes: when each buffer holds something, and which layers complete a tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dse.compile.layers import BesideLayer, Layer, Role
from dse.compile.views import Layout
from dse.network.graph import Concat, Crop, Network, Reshape, Slice


@dataclass(frozen=True)
class Lifetime:
    """A buffer lives from the first to the last of these layers, both included."""

    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        """Whether the two live at a common time."""
        return self.first <= other.last and other.first <= self.last


def lifetimes(
    network: Network,
    layers: Sequence[Layer],
    layout: Layout,
    beside: Sequence[tuple[int, int]] = (),
) -> dict[str, Lifetime]:
    """Lifetimes of all buffers that some layer or the host touches.

    ``beside``: layers that may still, or already, run at the time of another one.
    """
    found: dict[str, Lifetime] = {}

    def touch(tensor: str, time: int) -> None:
        buffer = layout.views[tensor].buffer
        known = found.get(buffer, Lifetime(time, time))
        found[buffer] = Lifetime(min(known.first, time), max(known.last, time))

    for time, layer in enumerate(layers):
        for tensor in layer.operands.values():
            touch(tensor, time)
    for layer_time, other_time in beside:
        for tensor in layers[layer_time].operands.values():
            touch(tensor, other_time)
    for tensor, time in output_times(network, layers).items():
        touch(tensor, time)
    return found


def completions(network: Network, layers: Sequence[Layer]) -> dict[str, frozenset[int]]:
    """The layers after which each tensor is complete; none for what the host brings."""
    found: dict[str, frozenset[int]] = {name: frozenset() for name in network.inputs}
    found |= {layer.output: frozenset([time]) for time, layer in enumerate(layers)}
    for op in network.operators:
        if isinstance(op, Concat | Reshape | Slice | Crop):
            found[op.output] = frozenset().union(*(found[name] for name in op.inputs))
    return found


def waited_for(network: Network, layers: Sequence[Layer]) -> list[tuple[int, int]]:
    """Layers beside the array, each with the first later one that reads it: so long may it run."""
    complete = completions(network, layers)
    found = []
    for time, layer in enumerate(layers):
        if isinstance(layer, BesideLayer):
            readers = (
                later
                for later in range(time + 1, len(layers))
                for role, name in layers[later].operands.items()
                if role is not Role.TARGET and time in complete[name]
            )
            found.append((time, next(readers, time)))
    return found


def output_times(network: Network, layers: Sequence[Layer]) -> Mapping[str, int]:
    """The layer after which each network output is stored."""
    complete = completions(network, layers)
    return {name: max(complete[name], default=0) for name in network.outputs}
