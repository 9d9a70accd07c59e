"""Strips: output rows that a layer computes at a time where a tensor of its lives in DRAM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from dse.compile.layers import Layer, Role
from dse.compile.views import Layout, View
from dse.network.graph import Window

WORD = 64  # bytes: strip buffers start on a word where there is room


@dataclass(frozen=True)
class Rows:
    """Rows of a view that lie in tensor memory: row ``first`` at ``address``."""

    view: View
    address: int
    first: int
    count: int

    def at(self, row: int) -> int:
        """Address of a row."""
        return self.address + (row - self.first) * self.view.row_pitch

    def of_channels(self, channels: range) -> Rows:
        """Some of the channels, where they are."""
        first = self.view.channel + channels.start
        return replace(self, view=replace(self.view, channel=first, channels=len(channels)))


@dataclass(frozen=True)
class StripPlan:
    """How a layer is cut: rows of the tallest strip, and the strip buffers of the tensors in DRAM.

    ``addresses``: by role, one buffer, or two that take turns, so that loads run ahead.
    ``ends``: of bands that differ in height, the output rows at which they end.
    """

    rows: int
    addresses: Mapping[Role, tuple[int, ...]]
    ends: tuple[int, ...] = ()

    @classmethod
    def of_bands(cls, ends: tuple[int, ...]) -> StripPlan:
        """Of a layer all of whose tensors are on chip."""
        return cls(max(end - first for first, end in pairwise((0, *ends))), {}, ends)

    def cuts(self, height: int) -> Iterator[tuple[int, int, int]]:
        """(index, first, end) of each strip of so many output rows."""
        if not self.ends:
            return cuts(height, self.rows)
        bands = pairwise((0, *self.ends))
        return ((index, first, end) for index, (first, end) in enumerate(bands))


def source_rows(window: Window, height: int, first: int, last: int) -> tuple[int, int]:
    """The input rows [from, to) that output rows [first, last) read."""
    top = first * window.stride[0] - window.padding[0]
    bottom = (
        (last - 1) * window.stride[0]
        - window.padding[0]
        + (window.kernel[0] - 1) * window.dilation[0]
    )
    start = min(max(top, 0), height - 1)
    return start, max(start + 1, min(bottom + 1, height))


def strip_bytes(
    layer: Layer, layout: Layout, spilled: frozenset[str], rows: int
) -> dict[Role, int]:
    """Bytes of one strip buffer of each of the layer's tensors in DRAM."""
    window = layer.window
    reach = (window.kernel[0] - 1) * window.dilation[0] + 1
    need = {}
    for role, name in layer.operands.items():
        view = layout.views[name]
        if view.buffer in spilled:
            count = (rows - 1) * window.stride[0] + reach if role is Role.SOURCE else rows
            need[role] = view.span(min(count, view.height)) * view.pitch
    return need


def plan_strips(
    layer: Layer, layout: Layout, spilled: frozenset[str], room: tuple[int, int]
) -> StripPlan:
    """The tallest strips whose buffers fit into ``room``; doubled where more than one strip runs.

    One strip of a single row always fits: the allocation has seen to it.
    """
    height = layout.views[layer.output].height
    whole = _place(strip_bytes(layer, layout, spilled, height), room, 1)
    if whole is not None:
        return StripPlan(height, whole)
    for copies in (2, 1):
        rows = _tallest(layer, layout, spilled, room, copies)
        if rows:
            placed = _place(strip_bytes(layer, layout, spilled, rows), room, copies)
            assert placed is not None
            return StripPlan(rows, placed)
    raise AssertionError(f"no strip of {layer.name!r} fits {room}")


def cuts(height: int, rows: int) -> Iterator[tuple[int, int, int]]:
    """(index, first, end) of each strip."""
    for index, first in enumerate(range(0, height, rows)):
        yield index, first, min(first + rows, height)


def _tallest(
    layer: Layer, layout: Layout, spilled: frozenset[str], room: tuple[int, int], copies: int
) -> int:
    low, high = 0, layout.views[layer.output].height
    while low < high:
        middle = (low + high + 1) // 2
        if _place(strip_bytes(layer, layout, spilled, middle), room, copies) is None:
            high = middle - 1
        else:
            low = middle
    return low


def _place(
    need: Mapping[Role, int], room: tuple[int, int], copies: int
) -> dict[Role, tuple[int, ...]] | None:
    for alignment in (WORD, 1):
        position, placed = room[0], {}
        for name, size in need.items():
            starts = []
            for _ in range(copies):
                position = -(-position // alignment) * alignment
                starts.append(position)
                position += size
            placed[name] = tuple(starts)
        if position <= room[1]:
            return placed
    return None
