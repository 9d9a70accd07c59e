"""One judgement of what a board carries: resources, cascades and memory styles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from boards.board import DSP48E2, KCU1500, U200, Board, BoardError
from boards.estimate import estimate
from boards.realise import realise
from dse.explore.defaults import configuration
from hw.conv.array.column import Column
from hw.isa.config import ceil_div
from hw.lib.emit import emit
from tests.boards.test_cascade import room


def test_columns_that_find_no_room_are_cut() -> None:
    """67 columns of 92 rows: the device has room for 57 whole ones."""
    config = configuration(92, 66, 2)
    made = realise(config, U200)
    assert U200.dsp - made.resources.dsp == 6840 - (92 * 67 + 2 * 66 + 2 * 66 + 2 * 32)
    length = made.primitive.cascade
    assert 67 * ceil_div(92, length) <= room(U200, length)
    assert room(U200, 92) == 57


@pytest.mark.slow
def test_the_gateware_has_the_cuts() -> None:
    """Columns of 121 rows are higher than a die."""
    config = configuration(121, 2, 1)
    made = realise(config, KCU1500)
    text = emit(Column(config=config, primitive=made.primitive), "column").text
    assert 0 < made.primitive.cascade < 121
    assert "_dsp_hop" in text


@pytest.mark.parametrize(("board", "style"), [(U200, "ultra"), (KCU1500, None)])
def test_style_of_the_memories(board: Board, style: str | None) -> None:
    config = configuration(4, 4, 1)
    made = realise(config, board)
    assert made.ram_style == style
    assert (made.resources.uram > 0) == (style == "ultra")
    expected = estimate(config, primitive=DSP48E2, uram=board.uram > 0)
    assert board.fits(config)
    assert made.resources == expected


@pytest.mark.parametrize(
    ("columns", "crossings", "note"),
    [
        (128, 2, ""),
        (
            128,
            0,
            "an array of 48 x 128 crosses 2 border(s) of dies of board 'u200' (before columns "
            "47, 94), but crossings is 0: no registers stand there; "
            'set "crossings": 2 in the file of --config, as explore does',
        ),
        (
            16,
            1,
            "an array of 48 x 16 crosses 0 border(s) of dies of board 'u200', but crossings is 1: "
            "its registers only take cycles; "
            'set "crossings": 0 in the file of --config, as explore does',
        ),
    ],
)
def test_crossings_that_the_board_does_not_need_are_told(
    columns: int, crossings: int, note: str
) -> None:
    """What is told is what to set: then nothing is."""
    config = configuration(48, columns, 2, crossings=crossings)
    assert realise(config, U200).note == note
    assert not realise(replace(config, crossings=U200.crossings(config)), U200).note


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (92, 72, "takes 6,976 dsp .estimate., 136 more than the 6,840 of board 'u200'.*: choose"),
        (
            4,
            1000,
            "takes 9,079,440 ff .* more than .* most of it is collector .*: choose fewer columns",
        ),
    ],
)
def test_what_does_not_fit_is_told(rows: int, columns: int, message: str) -> None:
    with pytest.raises(BoardError, match=message):
        realise(configuration(rows, columns, 1), U200)
    assert not U200.fits(configuration(rows, columns, 1))
