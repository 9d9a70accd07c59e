"""The board table: figures of the data sheets, and refusals."""

from dataclasses import replace

import pytest

from boards.board import BOARDS, KCU1500, U200, ULX3S, Board, BoardError, board, left


def test_u200_is_the_papers_board() -> None:
    assert U200.budget == {"dsp": 6840, "bram36": 2160, "uram": 960, "lut": 1_182_240}
    assert U200.clock_hz == 286e6
    assert U200.memory_bandwidth == pytest.approx(77e9, rel=0.005)


def test_kcu1500_has_no_uram() -> None:
    assert KCU1500.budget["uram"] == 0


def test_a_ulx3s_is_an_ecp5_85f_with_memory_on_chip() -> None:
    """The family's data sheet: 83,640 LUT4, 208 block RAMs of 18 kbit, 156 multipliers."""
    assert ULX3S.limits == {"dsp": 156, "bram36": 104, "uram": 0, "lut": 83_640, "ff": 83_640}
    assert ULX3S.memory_bandwidth == 8 * ULX3S.clock_hz


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_boards_are_found_in_any_case(name: str) -> None:
    assert board(name.upper()).to_json()["name"] == name


@pytest.mark.parametrize("device", BOARDS.values(), ids=lambda device: device.name)
def test_a_card_leaves_less_than_its_device_has(device: Board) -> None:
    rest = left(device)
    assert rest.source and not device.source
    for name, count in rest.limits.items():
        whole = device.limits[name]
        untouched = device is ULX3S and name == "dsp"
        assert count < whole or count == whole == 0 or (count == whole and untouched), name
    assert all(map(int.__le__, rest.dsp_columns, device.dsp_columns))


def test_a_u200_leaves_what_its_vendor_prints() -> None:
    """Of 979,040 LUTs and 1,958,080 flip-flops 70 % and 50 % may be taken, of DSP slices all."""
    assert left(U200).limits == {
        "dsp": 5880,
        "bram36": 1488,
        "uram": 640,
        "lut": 685_328,
        "ff": 979_040,
    }


def test_unknown_board_lists_the_known() -> None:
    with pytest.raises(BoardError, match=f"no board named 'nowhere'; known: {', '.join(BOARDS)}$"):
        board("nowhere")


def test_resources_must_be_positive() -> None:
    with pytest.raises(BoardError, match="must be positive"):
        replace(U200, dsp=0)
