"""``polymap elaborate``: the overlay as Verilog."""

from __future__ import annotations

from typing import Annotated

import typer

import polymap
from polymap.commands import output
from polymap.commands.options import Array, Config, Json, Lanes, Out


def elaborate(
    out: Out,
    array: Array = None,
    lanes: Lanes = None,
    config: Config = None,
    board: Annotated[str | None, typer.Option(help="u200, u250 or kcu1500")] = None,
    as_json: Json = False,
) -> None:
    """Write the overlay as Verilog, and a side-car that says what it is."""
    overlay = polymap.configure(array, lanes, config)
    target = None if board is None else polymap.board(board)
    output.folder(out)
    with output.Progress() as progress:
        progress.stage("elaborating")
        made = polymap.elaborate(overlay, board=target)
        made.save(out)
    if as_json:
        output.document({"out": str(out), **made.to_json()})
        return
    memories = ", ".join(f"{name} {size:,}" for name, size in made.resources.memories.items())
    typer.echo(
        f"{overlay.rows} x {overlay.columns}, {overlay.lanes} lane(s): "
        f"{made.resources.multipliers:,} multipliers; bytes of memory: {memories}"
    )
    typer.echo(
        f"{made.verilog.top}: {len(made.verilog.modules)} modules, "
        f"configuration {overlay.hash:#010x}, written to {out}"
    )
