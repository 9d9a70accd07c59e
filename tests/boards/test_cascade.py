"""Array columns find room in DSP columns, whole or cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from boards.board import BOARDS, KCU1500, U200, U250, ULX3S, Board, BoardError, left
from boards.realise import primitive
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig, ceil_div


def room(board: Board, length: int) -> int:
    """Cascades of that many slices that the board has room for."""
    return sum(board.dsp_columns) * (board.dsp_height // length)


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_columns_make_up_the_device(board: Board) -> None:
    for one in (board, left(board)):
        assert sum(one.dsp_columns) * one.dsp_height == one.dsp == room(one, 1)
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
    assert (columns + 1) * ceil_div(rows, length) <= room(board, length)


@pytest.mark.parametrize(
    ("rows", "columns", "lanes", "board", "borders"),
    [
        (16, 32, 2, U200, ()),  # 133 columns find room on a die
        (48, 37, 2, U200, ()),  # and of this height 38, column -1 among them
        (48, 38, 2, U200, (37,)),
        (48, 38, 1, U200, ()),
        (48, 96, 1, U200, (38, 76)),
        (48, 128, 2, U200, (47, 94)),  # cut into halves, of which a die has 95
        (48, 75, 1, left(U200), (38, 60)),  # the die in the middle has room for 22
        (48, 60, 1, left(U200), (38,)),
        (200, 40, 1, U250, (11, 22, 32)),  # higher than any column, so that some lie on two dies
    ],
)
def test_borders_lie_where_a_die_is_full(
    rows: int, columns: int, lanes: int, board: Board, borders: tuple[int, ...]
) -> None:
    config = OverlayConfig(rows=rows, columns=columns, lanes=lanes)
    found = board.place(config)
    assert found is not None
    assert found.borders == borders
    assert board.crossings(config) == len(borders)
    dies = board.dies(config)
    assert len(dies) == len(board.dsp_columns)
    assert list(chain(*dies)) == list(range(columns))
    used = [die for die, own in enumerate(dies) if own]
    assert used == list(range(found.first, found.first + len(borders) + 1))
    crossing = replace(config, crossings=len(borders))
    assert primitive(crossing, board).borders == borders
    assert len(set(primitive(crossing, board).dies(columns, len(borders)))) == len(borders) + 1


def test_without_crossings_no_registers_stand_at_the_borders() -> None:
    config = OverlayConfig(rows=48, columns=128)
    assert U200.crossings(config) == 2
    assert primitive(config, U200).borders == ()


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
