"""Placement: tensors as channel ranges of buffers, so that concatenations and slices cost nothing.

A concatenation's input is written at its place; a slice is a range of what it is cut from.  Such
relations tie tensors of equal extents into a *group*, in which each has a first channel; a group is
one buffer, and its width the buffer's pitch.  A reshape or crop begins a group of its own, in the
buffer of the tensor that it is of.  An input that cannot be at its place (it is bound to
another one, or its own bytes must stay contiguous) is a *copy*; so is a slice whose own bytes must
be contiguous.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from dse.network.graph import Concat, Crop, Network, Reshape, Slice, SpaceToDepth
from dse.network.tensor import Shape
from dse.passes.pass_error import PassError

Slot = tuple[str, int]  # a concatenation, or a slice, and the number of its input


@dataclass(frozen=True)
class _Item:
    """What placement knows of a tensor: how it comes to be, and its first channel if a slice."""

    name: str
    kind: Literal["source", "result", "view", "concat", "slice"]
    shape: Shape
    inputs: tuple[str, ...] = ()
    channel: int = 0


@dataclass(frozen=True)
class Place:
    """A tensor's buffer, named after its widest tensor, its first channel there, and the pitch."""

    buffer: str
    channel: int
    pitch: int


@dataclass(frozen=True)
class Placement:
    """Where all tensors are, if the inputs ``copies`` are copied."""

    places: Mapping[str, Place]
    copies: frozenset[Slot]


def placement(network: Network, in_place: bool = True) -> Placement:
    """Inputs of concatenations are placed in turn, else copied; all, without ``in_place``.

    Names are the tensors'.
    """
    return _Placer(_items(network), network.outputs).run(in_place)


def without_copies(before: Network, after: Network, what: str) -> Network:
    """``after``, or PassError if it needs more copies than ``before``."""
    if len(placement(after).copies) > len(placement(before).copies):
        raise PassError(f"{what}: a concatenation would need a copy")
    return after


def _items(network: Network) -> list[_Item]:
    shapes = {name: tensor.shape for name, tensor in network.tensors.items()}
    items = [_Item(name, "source", shapes[name]) for name in network.inputs]
    for op in network.operators:
        shape = shapes[op.output]
        match op:
            case Slice(channel=channel):
                items.append(_Item(op.output, "slice", shape, op.inputs, channel))
            case SpaceToDepth():
                items.append(_Item(op.output, "source", shape))
            case Concat():
                items.append(_Item(op.output, "concat", shape, op.inputs))
            case Reshape() | Crop():
                items.append(_Item(op.output, "view", shape, op.inputs))
            case _:
                items.append(_Item(op.output, "result", shape, op.inputs))
    return items


class _Placer:
    """Groups as first channels by tensor and slot; tensors of a group share the same dictionary."""

    def __init__(self, items: Sequence[_Item], outputs: Collection[str]) -> None:
        self._items = items
        self._order = {item.name: index for index, item in enumerate(items)}
        self._shape = {item.name: item.shape for item in items}
        self._members: dict[Slot, str] = {}
        self._width: dict[str | Slot, int] = {item.name: item.shape[2] for item in items}
        self._groups: dict[str | Slot, dict[str | Slot, int]] = {}
        self._written = {item.name for item in items if item.kind not in ("concat", "slice")}
        held = {name for item in items if item.kind == "view" for name in item.inputs}
        held.update(outputs)
        # What must be all of its buffer: a single pixel is contiguous anyway.
        self._whole = {item.name for item in items if item.kind in ("source", "view")}
        self._whole |= {name for name in held if self._pixels(name) > 1}

    def run(self, in_place: bool) -> Placement:
        """Slices have no choice; then the concatenations in turn."""
        copies = set()
        for item in self._items:
            self._found(item)
            if item.kind == "slice" and not self._join(item.inputs[0], item.name, item.channel):
                copies.add((item.name, 0))
        for item in self._items:
            if item.kind != "concat":
                continue
            for index, name in enumerate(item.inputs):
                start = self._groups[item.name][item.name, index]
                channel = start - self._groups[item.name][item.name]
                if not (in_place and self._join(item.name, name, channel)):
                    copies.add((item.name, index))
        places = {item.name: self._place(item.name) for item in self._items}
        return Placement(places, frozenset(copies))

    def _pixels(self, name: str) -> int:
        height, width, _ = self._shape[name]
        return height * width

    def _found(self, item: _Item) -> None:
        """The group of a tensor alone, or with the slots of its inputs."""
        group: dict[str | Slot, int] = {item.name: 0}
        start = 0
        if item.kind == "concat":
            for index, name in enumerate(item.inputs):
                slot = item.name, index
                self._members[slot] = name
                self._width[slot] = self._shape[name][2]
                group[slot] = start
                start += self._width[slot]
        for member in group:
            self._groups[member] = group

    def _join(self, whole: str, part: str, channel: int) -> bool:
        """Make ``part`` the channels of ``whole`` from ``channel`` on, if it can be."""
        group, other = self._groups[whole], self._groups[part]
        shift = group[whole] + channel - other[part]
        if group is other:
            return shift == 0
        joined = {**group, **{name: start + shift for name, start in other.items()}}
        if not self._sound(joined):
            return False
        for name in joined:
            self._groups[name] = joined
        return True

    def _sound(self, group: Mapping[str | Slot, int]) -> bool:
        """Whether no two tensors are written to the same channels, and the whole ones are whole."""
        taken = sorted(
            (start, start + self._width[name])
            for name, start in group.items()
            if name in self._written or self._open(name, group)
        )
        if any(end > start for (_, end), (start, _) in pairwise(taken)):
            return False
        first, last = self._extent(group)
        return all(
            (start, start + self._width[name]) == (first, last)
            for name, start in group.items()
            if name in self._whole
        )

    def _open(self, name: str | Slot, group: Mapping[str | Slot, int]) -> bool:
        """Whether a slot waits for a copy or for its tensor, which is not there yet."""
        return not isinstance(name, str) and group.get(self._members[name]) != group[name]

    def _extent(self, group: Mapping[str | Slot, int]) -> tuple[int, int]:
        return min(group.values()), max(start + self._width[name] for name, start in group.items())

    def _place(self, name: str) -> Place:
        group = self._groups[name]
        first, last = self._extent(group)
        tensors = [other for other in group if isinstance(other, str)]
        widest = max(tensors, key=lambda other: (self._width[other], -self._order[other]))
        return Place(widest, group[name] - first, last - first)
