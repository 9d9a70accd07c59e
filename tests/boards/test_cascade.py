"""Array columns find room in DSP columns, whole or cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from boards.board import BOARDS, KCU1500, U200, U250, ULX3S, Board, BoardError, left
from boards.cascade import cascades, primitive
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig, ceil_div


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_columns_make_up_the_device(board: Board) -> None:
    for one in (board, left(board)):
        assert sum(one.dsp_columns) * one.dsp_height == one.dsp == cascades(one, 1)
    assert board.dsp_height % 24 == 0 or board is ULX3S  # which has no cascades


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
    length = cascade or rows
    assert (columns + 1) * ceil_div(rows, length) <= cascades(board, length)


def test_an_ecp5_has_multipliers_without_cascades() -> None:
    assert primitive(OverlayConfig(rows=12, columns=12), ULX3S) == Primitive(name="mult18x18d")
    with pytest.raises(BoardError, match=r"takes 169 DSP slices, 13 more than the 156 of board"):
        primitive(OverlayConfig(rows=13, columns=12), ULX3S)


def test_too_many_elements_are_refused() -> None:
    message = (
        "an array of 92 x 67 elements takes 6,164 DSP slices, 644 more than the 5,520 of "
        "board 'kcu1500'; "
        "choose fewer rows or columns"
    )
    with pytest.raises(BoardError, match=message):
        primitive(OverlayConfig(rows=92, columns=66), KCU1500)


def test_a_board_that_the_tables_do_not_know() -> None:
    unknown = replace(U200, name="nowhere")
    for ask in (left, lambda board: primitive(OverlayConfig(rows=2, columns=2), board)):
        with pytest.raises(BoardError, match=r"boards/left\.py says nothing of board 'nowhere'"):
            ask(unknown)
