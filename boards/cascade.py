"""How an array's columns lie in a device's DSP columns.

A cascade runs up one DSP column and ends with its die (super logic region). A column of the array
that is higher than that, or one of many that leave unusable rests, is cut into cascades that hop
over the fabric; a hop adds no cycle but takes routing between two slices within one.
"""

from __future__ import annotations

from boards.board import Board, BoardError, DeviceFamily
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig, ceil_div


def cascades(board: Board, length: int) -> int:
    """Cascades of that many slices that find room."""
    return sum(board.dsp_columns) * (board.dsp_height // length)


def primitive(config: OverlayConfig, board: Board) -> Primitive:
    """What the array's elements are made of on the board; BoardError if they find no room.

    DSP48E2 elements lie in the longest cascades that do.
    """
    columns = config.columns + config.lanes - 1
    for length in range(min(config.rows, board.dsp_height), 0, -1):
        if columns * ceil_div(config.rows, length) <= cascades(board, length):
            if board.family is DeviceFamily.ECP5:
                return Primitive(name="mult18x18d")
            cascade = 0 if length == config.rows else length
            return Primitive(name="dsp48e2", cascade=cascade)
    needed, available = columns * config.rows, cascades(board, 1)
    raise BoardError(
        f"an array of {config.rows} x {columns} elements takes {needed:,} DSP slices, "
        f"{needed - available:,} more than the {available:,} {board.offer}; "
        "choose fewer rows or columns"
    )
