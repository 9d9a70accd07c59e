"""Chunks of weight-stationary kn2row, which leaves out the pixels whose tap lies in the padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dse.tiling.count import Count
from hw.isa.timing import REUSE_DISTANCE, TAP_CHUNK

CHUNK_GAP = max(TAP_CHUNK, REUSE_DISTANCE - 1)
"""Least cycles between two chunks: the walk's, and until the accumulators can be read again."""


class WindowLike(Protocol):
    """What a convolution's shape and an operator's window have in common."""

    @property
    def kernel(self) -> tuple[int, int]: ...
    @property
    def stride(self) -> tuple[int, int]: ...
    @property
    def dilation(self) -> tuple[int, int]: ...
    @property
    def padding(self) -> tuple[int, int, int, int]: ...


@dataclass(frozen=True)
class OutputAxis:
    """Output places along one axis, and the taps of each.

    ``before``: padding. ``size``: of the image.
    """

    places: int
    size: int
    taps: int
    stride: int
    dilation: int
    before: int

    def inside(self, tap: int, first: int, last: int) -> tuple[int, int]:
        """Of the places [first, last): those skipped at the start, and those inside the image."""
        at = np.arange(first, last) * self.stride + tap * self.dilation - self.before
        skipped = min(int(np.count_nonzero(at < 0)), last - first - 1)
        return skipped, int(np.count_nonzero((at >= 0) & (at < self.size)))

    @cached_property
    def all_inside(self) -> int:
        """Pairs of a tap and a place of it inside the image."""
        return sum(self.inside(tap, 0, self.places)[1] for tap in range(self.taps))


@dataclass(frozen=True)
class Taps:
    """A unit convolution per tap."""

    rows: OutputAxis
    columns: OutputAxis

    @classmethod
    def of(
        cls,
        places: Sequence[int],
        sizes: Sequence[int],
        window: WindowLike,
    ) -> Taps:
        """Output places and image sizes, y and x, and the window between them."""
        rows, columns = (
            OutputAxis(
                places[axis],
                sizes[axis],
                window.kernel[axis],
                window.stride[axis],
                window.dilation[axis],
                window.padding[axis],
            )
            for axis in (0, 1)
        )
        return cls(rows, columns)

    @property
    def row(self) -> int:
        """Pixels of an output row, which tiles do not cut."""
        return self.columns.places

    @property
    def count(self) -> int:
        return self.rows.taps * self.columns.taps


class Periods:
    """Cycles of chunks, as far as pixels determine them: sums of max(cycles, T) over all."""

    def __init__(self, cycles: list[int]) -> None:
        self._cycles, counts = np.unique(np.array(cycles, np.float64), return_counts=True)
        self._below = np.concatenate([[0], counts.cumsum()])
        above = (counts * self._cycles)[::-1].cumsum()[::-1]
        self._above: npt.NDArray[np.float64] = np.concatenate([above, [0]])

    def at_least(self, least: Count) -> Count:
        """The sum of max(cycles, ``least``)."""
        index = np.searchsorted(self._cycles, least)
        return self._below[index] * least + self._above[index]


@dataclass(frozen=True)
class TapPeriods:
    """Of the pixel tiles of one channel tile.

    Members
    -------
    taps : one chunk of each tap of each tile. first, last : those of each tile's first and last
    tap. whole : chunks that take all pixels, one of each tile.
    """

    taps: Periods
    first: Periods
    last: Periods
    whole: Periods


@lru_cache(maxsize=4096)
def tap_periods(taps: Taps, tile_rows: int) -> TapPeriods:
    """The chunks of tiles of whole output rows.

    A chunk takes a cycle a pixel inside the image (one if there is none), and `CHUNK_GAP` at least:
    its walk takes `TAP_CHUNK`, and one for each row or column, whichever are more, that is skipped
    at its start.
    """

    def chunk(pixels: int, skipped: int) -> int:
        return max(1, pixels) + max(CHUNK_GAP, TAP_CHUNK + skipped)

    width = taps.row
    columns = [taps.columns.inside(tap, 0, width) for tap in range(taps.columns.taps)]
    found: list[list[int]] = []
    whole = []
    for first in range(0, taps.rows.places, tile_rows):
        last = min(first + tile_rows, taps.rows.places)
        rows = [taps.rows.inside(tap, first, last) for tap in range(taps.rows.taps)]
        found.append([chunk(n * k, max(s, t)) for s, n in rows for t, k in columns])
        whole.append(chunk((last - first) * width, 0))
    return TapPeriods(
        Periods([cycles for tile in found for cycles in tile]),
        Periods([tile[0] for tile in found]),
        Periods([tile[-1] for tile in found]),
        Periods(whole),
    )


def skipping_cycles(taps: Taps, tile_rows: int, words: Count, least: Count) -> Count:
    """Cycles of one channel tile, whose runs have ``words`` words.

    The first and the last chunk of a pixel tile take all pixels.
    """
    periods = tap_periods(taps, tile_rows)
    whole = periods.whole.at_least(least)
    total = words * periods.taps.at_least(least) + whole - periods.first.at_least(least)
    return total + (words * taps.count > 1) * (whole - periods.last.at_least(least))
