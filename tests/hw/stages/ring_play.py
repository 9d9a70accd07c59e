"""The input ring of a stage, played: cells come one after the other, passes begin when they may."""

from __future__ import annotations

import numpy as np

from hw.isa.timing import ROW_LATENCY, bank_address_latency
from hw.stages.shape import StageShape

IMAGES = 5
Cell = tuple[int, int]


class RingPlay:
    """A stage alone, whose input has a beat ready every ``pace`` cycles.

    A line of pixels that begins cells waits, cell by cell, until the cell ``rows`` rows of cells
    before it is free. Nothing here knows how many rows there should be.
    """

    def __init__(self, shape: StageShape, *, rows: int, pace: float = 1.0) -> None:
        self._shape = shape
        self._rows = rows
        height = (IMAGES + 3) * shape.cells
        self._there = np.full((height, shape.cells), np.inf)
        self._free = np.full((height, shape.cells), np.inf)
        widths = np.minimum(shape.stride, shape.size_in - np.arange(shape.cells) * shape.stride)
        widths[-1] = shape.size_in - (shape.cells - 1) * shape.stride
        beats = -(-shape.source.channels // shape.source.width)
        self._cell = widths * beats * pace  # cycles of a cell's part of a line
        self._line = shape.size_in * beats * pace

    def period(self) -> float:
        """Cycles from an image to the next, once all is full; infinite if it stands still."""
        written, now, begun, freed = 0, 0.0, 0.0, (0, 0)
        ends: list[float] = []
        passes = self._passes()
        number = 0
        while len(ends) < IMAGES:
            now = self._write(written, now)
            written += 1
            if np.isinf(now):
                return np.inf
            while len(ends) < IMAGES:
                place, last_tile = passes[number]
                row, column = self._needs(place)
                row += len(ends) * self._shape.cells
                if row >= written:
                    break
                begun = max(begun, self._there[row, column] + ROW_LATENCY + 1)
                begun += self._shape.wave_cycles  # when the next one may begin
                if last_tile:
                    row, column = self._done_with(place)
                    freed = self._give(freed, (row + len(ends) * self._shape.cells, column), begun)
                number += 1
                if number == len(passes):
                    number = 0
                    ends.append(begun)
        return ends[-1] - ends[-2]

    def _passes(self) -> list[tuple[int, bool]]:
        """Each pass of an image: its place, and whether it is the last tile's."""
        shape = self._shape
        order = []
        for first in range(0, shape.passes, shape.step_passes):
            places = range(first, min(first + shape.step_passes, shape.passes))
            order += [(p, t == shape.tiles - 1) for t in range(shape.tiles) for p in places]
        return order

    def _write(self, row: int, now: float) -> float:
        """A row of cells comes; returns when its last beat has."""
        shape = self._shape
        local = row % shape.cells
        for column, cycles in enumerate(self._cell):
            if row >= self._rows:
                room = self._free[row - self._rows, column]
                latency = bank_address_latency(shape.para_seg, edges=bool(shape.edges)) + 1
                now = max(now, room + latency)
            now += cycles
            self._there[row, column] = now
        lines = min(shape.stride, shape.used - local * shape.stride)
        if lines > 1:
            now += (lines - 1) * self._line
            self._there[row] = now - self._line + np.cumsum(self._cell)
        if local == shape.cells - 1:
            now += (shape.size_in - shape.used) * self._line
        return now

    def _needs(self, place: int) -> Cell:
        """The last cell that a pass reads."""
        shape = self._shape
        y, x = divmod((place + 1) * shape.para_seg - 1, shape.size_out)
        if y + shape.reach >= shape.cells:
            return shape.cells - 1, shape.cells - 1
        return y + shape.reach, min(x + shape.reach, shape.cells - 1)

    def _done_with(self, place: int) -> Cell:
        """The first cell that is still read behind a pass."""
        shape = self._shape
        if place == shape.passes - 1:
            return shape.cells, 0
        y, x = divmod((place + 1) * shape.para_seg, shape.size_out)
        if y < shape.before:
            return 0, 0
        return y - shape.before, max(0, x - shape.before)

    def _give(self, first: Cell, end: Cell, now: float) -> Cell:
        """The cells up to ``end`` are free."""
        if end <= first:
            return first
        cells = self._shape.cells
        flat = self._free.reshape(-1)
        flat[first[0] * cells + first[1] : end[0] * cells + end[1]] = now
        return end
