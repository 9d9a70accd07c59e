"""What limits a mapping: the array's peaks, and the memories' rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.passes import layer_shapes


@dataclass(frozen=True)
class Roof:
    """A line of the roofline: ``rate`` in MAC/s (an array's peak) or bytes/s (a memory)."""

    name: str
    rate: float


def peaks(found: Exploration) -> Iterator[Roof]:
    """The array's rate of direct convolution, and what each transform makes of it."""
    model, mapping = found.model, found.mapping
    direct = mapping.peak_macs * mapping.clock_hz
    yield Roof("direct", direct)
    shapes = layer_shapes(found.network).values()
    labels = {label for shape in shapes for label in model.labels(shape)}
    for saving in sorted(filter(None, {model.saving(label) for label in labels})):
        yield Roof(f"Winograd {saving.name}", direct * saving.factor)


def memories(found: Exploration, board: Card) -> Iterator[Roof]:
    """The board's memory, and the overlay's share of it for weights."""
    yield Roof(f"memory of {board.name}", board.memory_bandwidth)
    if found.configuration is not None:
        rate = found.configuration.weight_beat_bytes * found.mapping.clock_hz
        yield Roof("weight ports", rate)
