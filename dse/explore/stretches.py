"""Stretches of a network: between two of them, everything passes through a single tensor.

What a layer of one stretch does, changes hardly anything in the others, so that mappings can be
compared, and put together, stretch by stretch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dse.cycles.whole_program import LayerCycles
from dse.network.graph import Combine, Conv, Network, Pool
from dse.passes.merge import Group, merged_name

Stretches = Mapping[str, int]
"""The number of each computing layer's stretch, by the layer's name."""


def stretches(network: Network, groups: Sequence[Group] = ()) -> Stretches:
    """The stretches of a network; a merged layer, of which ``groups`` tell, is in its first
    member's.
    """
    last = {tensor: len(network.operators) for tensor in network.outputs}
    for index, op in enumerate(network.operators):
        for tensor in op.inputs:
            last[tensor] = max(index, last.get(tensor, 0))
    found: dict[str, int] = {}
    alive = set(network.inputs)
    number = 0
    for index, op in enumerate(network.operators):
        if isinstance(op, Conv | Pool | Combine):
            found[op.name] = number
        alive = {tensor for tensor in (*alive, op.output) if last.get(tensor, -1) > index}
        number += alive == {op.output}
    return found | {merged_name(group): found[group[0]] for group in groups}


def durations(numbers: Stretches, layers: Sequence[LayerCycles]) -> dict[int, int]:
    """Cycles of each stretch: from the end of the ones before to its own."""
    ends: dict[int, int] = {}
    for layer in layers:
        if layer.name in numbers:
            number = numbers[layer.name]
            ends[number] = max(layer.end, ends.get(number, 0))
    found: dict[int, int] = {}
    before = 0
    for number in sorted(ends):
        found[number] = ends[number] - before
        before = max(before, ends[number])
    return found
