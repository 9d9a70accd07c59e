"""``polymap elaborate``: the overlay as Verilog."""

from __future__ import annotations

from typing import Annotated

import typer

from boards.board import Board
from polymap import api
from polymap.commands import output
from polymap.commands.options import BOARDS, Array, Bare, Config, Json, Lanes, Out
from polymap.commands.place import place


def elaborate(
    out: Out,
    array: Array = None,
    lanes: Lanes = None,
    config: Config = None,
    board: Annotated[str | None, typer.Option(help=BOARDS)] = None,
    bare: Bare = False,
    as_json: Json = False,
) -> None:
    """Write the overlay as Verilog, and a side-car that says what it is."""
    overlay = api.configure(array, lanes, config)
    target = place(board, bare)
    output.folder(out)
    with output.progress() as progress:
        progress.stage("elaborating")
        made = api.elaborate(overlay, board=target)
        progress.stage("checking")
        lint = made.lint()
        made.save(out)
    if as_json:
        output.document({"out": str(out), "lint": lint, **made.to_json()})
        return
    typer.echo(summary(made))
    output.note(made.note)
    typer.echo(f"lint: {lint}; configuration {overlay.hash:#010x}, written to {out}")


def _offer(board: Board) -> str:
    return f"of {board.name}" if not board.source else f"of what a {board.name} leaves"


def summary(made: api.Elaborated) -> str:
    """The overlay and what it takes, in a line."""
    array = f"{made.config.rows} x {made.config.columns}, {made.config.lanes} lane(s)"
    counts = ", ".join(f"{count:,} {name}" for name, count in made.resources.to_json().items())
    cut = f", in cascades of {made.primitive.cascade}" if made.primitive.cascade else ""
    board = "" if made.board is None else f" {_offer(made.board)}"
    return f"{array}: about {counts}{board}; elements: {made.primitive.name}{cut}"
