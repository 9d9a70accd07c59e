"""The arrays of a search, one by one and as a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.cost.cost_model import FloatArray, IntArray
from dse.mapping import SearchGrid

MOST_CELLS = 160
"""Of a side of the map: neighbouring sizes share one where the axis is dense."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The fastest array of each cell; edges in rows and columns, cycles NaN where there is none.

    ``solved``: of the arrays that were solved; ``bound``: where none was.
    """

    rows: FloatArray
    columns: FloatArray
    solved: FloatArray
    bound: FloatArray


@dataclass(frozen=True, eq=False)
class SearchedArrays:
    """The arrays of all kinds of hardware.

    Members
    -------
    arrays : [A, 2], rows and columns; an array occurs once for every kind of hardware.
    bound : [A], lower bounds of their cycles.
    cycles : [A], of the optimal mapping; NaN where the bound ruled the array out, infinite where
        it is too large.
    """

    arrays: IntArray
    bound: FloatArray
    cycles: FloatArray

    @classmethod
    def of(cls, grids: Sequence[SearchGrid]) -> SearchedArrays | None:
        """Of a search's grids; None if there was no search."""
        if not grids:
            return None
        names = ("arrays", "bound", "cycles")
        return cls(*(np.concatenate([getattr(grid, name) for grid in grids]) for name in names))

    def cells(self) -> Cells:
        """The map, on logarithmic axes of at most ``MOST_CELLS`` cells a side."""
        rows, columns = (_edges(int(self.arrays[:, axis].max())) for axis in (0, 1))
        places = tuple(
            np.searchsorted(edges, self.arrays[:, axis], side="right") - 1
            for axis, edges in enumerate((rows, columns))
        )

        def least(values: FloatArray) -> FloatArray:
            table = np.full((len(rows) - 1, len(columns) - 1), np.inf)
            np.minimum.at(table, places, values)
            return np.where(np.isinf(table), np.nan, table)

        pending = np.isnan(self.cycles)
        solved = least(np.where(pending, np.inf, self.cycles))
        bound = least(np.where(pending, self.bound, np.inf))
        return Cells(rows, columns, solved, np.where(np.isnan(solved), bound, np.nan))


def _edges(largest: int) -> FloatArray:
    """Halves between integers, in steps of about equal ratio."""
    starts = np.unique(np.geomspace(1, largest + 1, MOST_CELLS).round())
    edges: FloatArray = starts - 0.5
    return edges
