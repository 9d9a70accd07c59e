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
        self._order = self._passes()
        self._number = 0  # of the next pass in its image
        self._begun = 0.0  # when it may begin, by the one before
        self._freed = (0, 0)
        self._ends: list[float] = []

    def period(self) -> float:
        """Cycles from an image to the next, once all is full; infinite if it stands still."""
        row, now = 0, 0.0
        while len(self._ends) < IMAGES:
            now = self._write(row, now)
            row += 1
            if np.isinf(now):
                return np.inf
            self._work()
        return self._ends[-1] - self._ends[-2]

    def _work(self) -> None:
        """The passes whose cells are there."""
        cells = self._shape.cells
        while len(self._ends) < IMAGES:
            place, last_tile = self._order[self._number]
            row, column = self._needs(place)
            there = self._there[row + len(self._ends) * cells, column]
            if np.isinf(there):
                return
            self._begun = max(self._begun, there + ROW_LATENCY + 1) + self._shape.wave_cycles
            if last_tile:
                row, column = self._done_with(place)
                self._give((row + len(self._ends) * cells, column))
            self._number += 1
            if self._number == len(self._order):
                self._number = 0
                self._ends.append(self._begun)

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
        lines = min(shape.stride, shape.used - local * shape.stride)
        for column, cycles in enumerate(self._cell):
            if row >= self._rows:
                self._work()
                room = self._free[row - self._rows, column]
                latency = bank_address_latency(shape.para_seg, edges=bool(shape.edges)) + 1
                now = max(now, room + latency)
            now += cycles
            if lines == 1:
                self._there[row, column] = now
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

    def _give(self, end: Cell) -> None:
        """The cells up to ``end`` are free once the pass is over."""
        if end > self._freed:
            cells, first = self._shape.cells, self._freed
            flat = self._free.reshape(-1)
            flat[first[0] * cells + first[1] : end[0] * cells + end[1]] = self._begun
            self._freed = end
