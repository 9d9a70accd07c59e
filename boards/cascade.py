"""How an array's columns lie in a device's DSP columns.

A cascade runs up one DSP column and ends with its die (super logic region). A column of the array
that is higher than that, or one of many that leave unusable rests, is cut into cascades that hop
over the fabric; a hop adds no cycle but takes routing between two slices within one.
"""

from __future__ import annotations

from dataclasses import dataclass

from boards.board import KCU1500, U200, U250, Board, BoardError
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig, ceil_div


@dataclass(frozen=True, kw_only=True)
class DspColumns:
    """DSP slices of a device: dies, DSP columns of a die, slices of a column."""

    dies: int
    columns: int
    height: int

    def cascades(self, length: int) -> int:
        """Cascades of that many slices that find room."""
        return self.dies * self.columns * (self.height // length)


DSP_COLUMNS = {  # clock regions of a die x 24 slices; the products are the devices' DSP counts
    U200.name: DspColumns(dies=3, columns=19, height=120),
    U250.name: DspColumns(dies=4, columns=32, height=96),
    KCU1500.name: DspColumns(dies=2, columns=23, height=120),
}


def primitive(config: OverlayConfig, board: Board) -> Primitive:
    """DSP48E2 elements in the longest cascades with which the array finds room on the board.

    Raises BoardError if it does not.
    """
    device = DSP_COLUMNS[board.name]
    columns = config.columns + config.lanes - 1
    for length in range(min(config.rows, device.height), 0, -1):
        if columns * ceil_div(config.rows, length) <= device.cascades(length):
            cascade = 0 if length == config.rows else length
            return Primitive(name="dsp48e2", cascade=cascade)
    needed, available = columns * config.rows, device.cascades(1)
    raise BoardError(
        f"an array of {config.rows} x {columns} elements takes {needed:,} DSP slices, "
        f"{needed - available:,} more than board {board.name!r} has; choose fewer rows or columns"
    )
