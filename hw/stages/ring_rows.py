"""Rows of cells that an input ring holds, so that neither input nor output waits for it.

A feasible schedule: passes and lines of the map are spread evenly over an image's time.  The input
runs ahead by no more than the passes need (``lead``), and a row's place is written again no sooner
than its last reader has freed it.  A ring in which that schedule goes round keeps any pace, since
all that waits for room or cells begins as soon as it can.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hw.isa.config import ceil_div
from hw.stages.scheme import Scheme, step_passes

RING_TURN_CYCLES = 40  # allowed for handing room for cells back, and for those that take it
MOST_MAPS = 3  # that a ring holds: one in work, one that arrives, and one on its way

Ints = npt.NDArray[np.int64]


class Sizes(Protocol):
    """Whatever has windows on a map."""

    @property
    def size_in(self) -> int: ...
    @property
    def size_out(self) -> int: ...
    @property
    def kernel(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def pad(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class MapWindows:
    """What windows read of a map, in cells of stride x stride pixels.

    Parameters
    ----------
    size_in, size_out, kernel, stride, pad : maps and kernels are square; padding all around.
    """

    size_in: int
    size_out: int
    kernel: int
    stride: int
    pad: int

    @classmethod
    def of(cls, layer: Sizes) -> MapWindows:
        """Those of a layer, or of a stage."""
        return cls(**{field.name: getattr(layer, field.name) for field in fields(cls)})

    @property
    def used(self) -> int:
        """Rows, and columns, of the input that any output depends on."""
        return min(self.size_in, (self.size_out - 1) * self.stride + self.kernel - self.pad)

    @property
    def cells(self) -> int:
        """Cells of a row, and rows of cells."""
        return ceil_div(self.used, self.stride)

    @property
    def before(self) -> int:
        """Rows of cells above its own that an output row reads."""
        return ceil_div(self.pad, self.stride)

    @property
    def reach(self) -> int:
        """Rows of cells below its own that an output row reads."""
        return (self.kernel - 1 - self.pad) // self.stride


def ring_rows(
    windows: MapWindows, scheme: Scheme, *, para_seg: Ints, wave_cycles: Ints, tiles: Ints
) -> Ints:
    """Rows of cells that the ring holds, of n stages that differ in their parallelisms.

    MAP holds two maps, LINE and BAND what `RowTurns` says.  Where passes free cells so fast that
    the way of their room to the input and back (`RING_TURN_CYCLES`) takes longer, more is held, but
    never more than `MOST_MAPS`.

    Parameters
    ----------
    para_seg, wave_cycles, tiles : of the stages; shape (n,).
    """
    most = MOST_MAPS * windows.cells
    if scheme is Scheme.MAP:
        pixels = windows.size_out**2
        apart = np.where(para_seg >= pixels, wave_cycles * tiles, wave_cycles)
        turning = para_seg - (-RING_TURN_CYCLES * para_seg // apart)
        more = -(-np.maximum(0, turning - pixels) // windows.size_out)
        return np.minimum(most, 2 * windows.cells + more)
    # BAND is the better the fewer the tiles: they are rounded up, to a few numbers.
    rounded = np.ones_like(tiles) if scheme is Scheme.LINE else 1 << _log2_up(tiles)
    late = RING_TURN_CYCLES / (wave_cycles * tiles)  # in passes
    rows = np.empty_like(para_seg)
    order = np.lexsort((rounded, para_seg))
    alike = np.stack((para_seg[order], rounded[order]))
    borders = np.flatnonzero((alike[:, 1:] != alike[:, :-1]).any(axis=0)) + 1
    for own in np.split(order, borders):
        turns = row_turns(windows, scheme, int(para_seg[own[0]]), int(rounded[own[0]]))
        rows[own] = turns.rows(late[own], most)
    return rows


def _log2_up(values: Ints) -> Ints:
    """The logarithm, rounded up."""
    return np.frexp(values - 0.5)[1].astype(np.int64)


@lru_cache(maxsize=1 << 14)
def row_turns(windows: MapWindows, scheme: Scheme, para_seg: int, tiles: int) -> RowTurns:
    """`RowTurns`, kept."""
    return RowTurns(windows, scheme, para_seg, tiles)


@dataclass(frozen=True)
class RowTurns:
    """How soon the rows of a ring's cells must be free again.

    Times are integers: the waves of a pass take ``size_in ** 2`` of them, and an image as many for
    each of its ``waves``; so a line of the map takes ``waves * size_in``, a pixel ``waves``.
    """

    windows: MapWindows
    scheme: Scheme
    para_seg: int
    tiles: int

    def rows(self, late: npt.NDArray[np.float64], most: int) -> Ints:
        """Rows with which cells that come back so many passes late are in time, or ``most``."""
        slacks, longest = self._slacks, late.max()
        while not slacks or (slacks[-1] < longest and self.least + len(slacks) <= most):
            slacks.append(self._slack(self.least + len(slacks)))
        return np.minimum(most, self.least + np.searchsorted(np.array(slacks), late))

    @cached_property
    def _slacks(self) -> list[float]:
        """Of `least` rows, and more: as many as were asked for."""
        return []

    @cached_property
    def passes(self) -> int:
        """Of an image and a tile."""
        return ceil_div(self.windows.size_out**2, self.para_seg)

    @cached_property
    def waves(self) -> int:
        """Passes of an image, of all tiles."""
        return self.passes * self.tiles

    @cached_property
    def _times(self) -> tuple[Ints, Ints]:
        """For each place of segments, when the first tile's pass begins, and when the last's ends.

        A step makes all its passes for one tile after the other.
        """
        size = step_passes(self.scheme, self.passes)
        number = np.arange(self.passes)
        first = number // size * size
        end = np.minimum(first + size, self.passes)
        begins = first * self.tiles + number - first
        ends = end * self.tiles - (end - 1 - number)
        return begins * self.windows.size_in**2, ends * self.windows.size_in**2

    @cached_property
    def lead(self) -> int:
        """Time by which the input is ahead: the cells that a pass reads are there before it."""
        windows, (begins, _) = self.windows, self._times
        y, x = np.divmod(np.arange(1, self.passes + 1) * self.para_seg - 1, windows.size_out)
        lowest, rightmost = y + windows.reach, x + windows.reach
        whole = (lowest >= windows.cells) | (rightmost >= windows.cells - 1)
        size = windows.size_in
        columns = np.where(whole, size, (rightmost + 1) * windows.stride)
        lines = np.minimum((lowest + 1) * windows.stride, windows.used) - 1
        return int(((lines * size + columns) * self.waves - begins).max())

    @cached_property
    def _frees(self) -> tuple[Ints, Ints, Ints]:
        """For each pass the first cell that it frees, row and column, and when."""
        windows, (_, ends) = self.windows, self._times
        y, x = np.divmod(np.arange(self.passes) * self.para_seg, windows.size_out)
        row = np.maximum(0, y - windows.before)
        column = np.where(y < windows.before, 0, np.maximum(0, x - windows.before))
        return row, column, ends + self.lead

    @cached_property
    def least(self) -> int:
        """Rows of which none is free too late."""
        windows, (row, column, free) = self.windows, self._frees
        time = free - column * windows.stride * self.waves
        image, within = np.divmod(time, self.waves * windows.size_in**2)
        begins = -(-within // (windows.stride * windows.size_in * self.waves))
        return int((image * windows.cells + np.minimum(begins, windows.cells) - row).max())

    def _slack(self, count: int) -> float:
        """Passes by which the first of so many rows is free before it is written again."""
        windows, (row, column, free) = self.windows, self._frees
        image, again = np.divmod(row + count, windows.cells)
        pixel = (image * windows.size_in + again * windows.stride) * windows.size_in
        left = (pixel + column * windows.stride) * self.waves - free
        return float(left.min()) / (windows.size_in**2 * self.tiles)
