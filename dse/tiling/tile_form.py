"""Winograd's output tiles on an image: a transform, along the image's axes or exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dse.tiling.run_form import RunForm
from hw.isa.config import ceil_div
from hw.isa.transforms import POINT, Transform

Entry = TypeVar("Entry")
Tile = int | str
"""Of an output tile: the edge of a square one, "4x1" of 4 rows and 1 column."""


@dataclass(frozen=True)
class TileForm:
    """How a convolution's results are cut into tiles of a transform.

    The hardware knows a transform's own axes, y and x.  ``transposed``: they are the image's
    columns and rows, so that a transform of one dimension serves both.
    """

    transform: Transform
    transposed: bool = False

    @property
    def line(self) -> bool:
        """Whether it has one dimension: along x kernels, strides and dilations are as they are."""
        return self.transform.x == POINT

    @property
    def tile(self) -> Tile:
        """Pixels of an output tile."""
        rows, columns = self.own((self.transform.y.m, self.transform.x.m))
        return f"{rows}x{columns}" if self.line else rows

    @property
    def runs(self) -> bool:
        """Whether a tap can be a contiguous row of the kernel."""
        return self.line and not self.transposed

    @property
    def rows(self) -> int:
        """Output rows of the image in a tile."""
        return self.own((self.transform.y.m, self.transform.x.m))[0]

    def own(self, pair: Sequence[Entry]) -> tuple[Entry, Entry]:
        """(rows, columns) as (y, x) of the transform, and back."""
        rows, columns = pair
        return (columns, rows) if self.transposed else (rows, columns)

    def rounds(self, form: RunForm) -> tuple[int, int]:
        """Sub-kernels along y and x."""
        y, x = self.own((form.rows, form.columns))
        return ceil_div(y, self.transform.y.taps), ceil_div(x, self.transform.x.taps)


def tile_forms(transforms: Sequence[Transform]) -> Iterator[TileForm]:
    """All that the hardware's transforms can do; exchanged axes only where they differ."""
    for transform in transforms:
        yield TileForm(transform)
        if transform.x != transform.y:
            yield TileForm(transform, transposed=True)
