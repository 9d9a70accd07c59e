"""The board that a command is told."""

from __future__ import annotations

from boards.board import Board
from hw.isa.errors import InputError
from polymap import api


def place(
    board: str | None, bare: bool, *, dsp: int | None = None, clock_mhz: float | None = None
) -> Board | None:
    """What a board's card leaves, or its bare device, or less of it; None: no board was named."""
    if board is not None:
        clock_hz = None if clock_mhz is None else clock_mhz * 1e6
        return api.limited(api.board(board, bare=bare), dsp=dsp, clock_hz=clock_hz)
    given = {"--bare": bare, "--dsp": dsp is not None, "--clock": clock_mhz is not None}
    for name, stands in given.items():
        if stands:
            raise InputError(f"{name} needs --board")
    return None
