"""Where a tap of the kernel lies from a segment's pixel, in the banks and in the image."""

from __future__ import annotations

from dataclasses import dataclass

from hw.stages.shape import StageShape


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A tap of the kernel.

    Parameters
    ----------
    column, row : of the kernel.
    cell_column, cell_row : from the output pixel's cell to the tap's.
    turn : from the pixel's turn of the banks to the tap's, in words around the ring.
    bank : from the segment's number to its bank.
    within : first word of the pixel within its cell.
    """

    column: int
    row: int
    cell_column: int
    cell_row: int
    turn: int
    bank: int
    within: int


def tap_table(shape: StageShape) -> list[Tap]:
    """All taps, row by row."""
    return [
        _tap(shape, row, column) for row in range(shape.kernel) for column in range(shape.kernel)
    ]


def _tap(shape: StageShape, row: int, column: int) -> Tap:
    cell_row, sub_row = divmod(row - shape.pad, shape.stride)
    cell_column, sub_column = divmod(column - shape.pad, shape.stride)
    turns, bank = divmod(cell_row * shape.size_out + cell_column, shape.para_seg)
    return Tap(
        column=column,
        row=row,
        cell_column=cell_column,
        cell_row=cell_row,
        turn=turns % shape.turns * shape.cell_words,
        bank=bank,
        within=(sub_row * shape.stride + sub_column) * shape.pixel_words,
    )
