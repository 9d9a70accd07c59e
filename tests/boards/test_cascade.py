"""Array columns find room in DSP columns, whole or cut."""

from __future__ import annotations

import pytest

from boards.board import BOARDS, KCU1500, U200, U250, Board, BoardError
from boards.cascade import DSP_COLUMNS, primitive
from hw.isa.config import OverlayConfig, ceil_div


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_columns_make_up_the_device(board: Board) -> None:
    device = DSP_COLUMNS[board.name]
    assert device.dies * device.columns * device.height == board.dsp
    assert device.height % 24 == 0


@pytest.mark.parametrize(
    ("rows", "columns", "board", "cascade"),
    [
        (16, 32, U200, 0),
        (92, 56, U200, 0),  # 57 columns with column -1, one in each of the 57 of the device
        (92, 57, U200, 24),
        (92, 66, U200, 24),
        (92, 66, U250, 0),
        (120, 40, U250, 96),  # higher than a die
        (64, 80, KCU1500, 13),
    ],
)
def test_cascades_are_as_long_as_there_is_room(
    rows: int, columns: int, board: Board, cascade: int
) -> None:
    chosen = primitive(OverlayConfig(rows=rows, columns=columns), board)
    assert (chosen.name, chosen.cascade) == ("dsp48e2", cascade)
    device, length = DSP_COLUMNS[board.name], cascade or rows
    assert (columns + 1) * ceil_div(rows, length) <= device.cascades(length)


def test_too_many_elements_are_refused() -> None:
    message = (
        "an array of 92 x 67 elements takes 6,164 DSP slices, 644 more than board 'kcu1500' has; "
        "choose fewer rows or columns"
    )
    with pytest.raises(BoardError, match=message):
        primitive(OverlayConfig(rows=92, columns=66), KCU1500)
