"""The board that a command is told."""

from __future__ import annotations

from boards.board import Board
from hw.isa.errors import InputError
from polymap import api


def place(board: str | None, bare: bool) -> Board | None:
    """What a board's card leaves, or its bare device; None: no board was named."""
    if board is not None:
        return api.board(board, bare=bare)
    if bare:
        raise InputError("--bare needs --board")
    return None
