"""How an array's columns lie in a device's DSP columns, and on its dies (super logic regions).

A cascade runs up one DSP column and ends with its die. A column of the array that is higher than
that, or one of many that leave unusable rests, is cut into cascades that hop over the fabric; a hop
adds no cycle but takes routing between two slices within one.

Columns fill the dies one after the other, from the die from which they cross the fewest borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from hw.isa.config import OverlayConfig, ceil_div


@dataclass(frozen=True, kw_only=True)
class ArrayPlace:
    """Where an array's columns lie.

    Members
    -------
    cascade : rows whose sums stay in one cascade.
    borders : the columns with which a further die begins.
    first : the die of column 0, counted from the lowest.
    """

    cascade: int
    borders: tuple[int, ...]
    first: int

    def dies(self, count: int, columns: int) -> tuple[range, ...]:
        """The columns, of so many, on each of ``count`` dies, from the lowest."""
        used = [range(*ends) for ends in pairwise((0, *self.borders, columns))]
        above = count - self.first - len(used)
        return (*[range(0)] * self.first, *used, *[range(0)] * above)


def place(config: OverlayConfig, dsp_columns: Sequence[int], height: int) -> ArrayPlace | None:
    """In the longest cascades that find room, or None if there are too few slices.

    ``dsp_columns``: whole columns of ``height`` slices, by die.
    """
    extra = config.lanes - 1  # column -1
    columns = config.columns + extra
    for length in range(min(config.rows, height), 0, -1):
        pieces = ceil_div(config.rows, length)
        room = [count * (height // length) for count in dsp_columns]
        if columns * pieces <= sum(room):
            enough = [k for k in range(len(room)) if columns * pieces <= sum(room[k:])]
            found = {first: _borders(columns, pieces, room[first:]) for first in enough}
            first = min(found, key=lambda first: len(found[first]))
            inside = tuple(border - extra for border in found[first] if border > extra)
            passed = len(found[first]) - len(inside)
            return ArrayPlace(cascade=length, borders=inside, first=first + passed)
    return None


def _borders(columns: int, pieces: int, room: Sequence[int]) -> tuple[int, ...]:
    """The columns that begin behind the cascades of a die."""
    ends = (ceil_div(cascades, pieces) for cascades in accumulate(room))
    return tuple(sorted({end for end in ends if 0 < end < columns}))
