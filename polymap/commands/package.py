"""``polymap package``: the overlay for a board, with all that its vendor's tools need."""

from __future__ import annotations

from typing import Annotated

import typer

from polymap import api
from polymap.commands import output
from polymap.commands.elaborate import summary
from polymap.commands.options import BOARDS, Array, Bare, Config, Json, Lanes, Out


def package(
    out: Out,
    board: Annotated[str, typer.Option(help=BOARDS)],
    config: Config = None,
    array: Array = None,
    lanes: Lanes = None,
    bare: Bare = False,
    as_json: Json = False,
) -> None:
    """Write the overlay for a board: Verilog, scripts and settings; build.sh builds them."""
    target = api.board(board, bare=bare)
    overlay = api.configure(array, lanes, config)
    api.scripts(target, overlay.weight_ports)  # what cannot be built is refused at once
    output.folder(out)
    with output.progress() as progress:
        progress.stage("elaborating")
        made = api.elaborate(overlay, board=target)
        progress.stage("checking")
        lint = made.lint()
        files = api.package(made, out)
    names = [file.name for file in files]
    if as_json:
        output.document({"out": str(out), "lint": lint, "files": names, **made.to_json()})
        return
    typer.echo(summary(made))
    output.note(made.note)
    typer.echo(f"lint: {lint}; written to {out}: {', '.join(names)}")
