"""``polymap build``: an overlay as a bitstream, by tools that come from PyPI."""

from __future__ import annotations

from typing import Annotated

import typer

from polymap import api
from polymap.commands import output
from polymap.commands.options import Array, Bare, Config, Json, Lanes, Out


def build(
    out: Out,
    board: Annotated[str, typer.Option(help="ulx3s: the tools of other boards are their vendor's")],
    config: Config = None,
    array: Array = None,
    lanes: Lanes = None,
    seed: Annotated[int, typer.Option(min=1, max=2**31 - 1, help="of placement")] = 1,
    bare: Bare = False,
    as_json: Json = False,
) -> None:
    """Build the bitstream of an overlay for a board, with its memory and the way to its host."""
    target = api.board(board, bare=bare)
    overlay = api.configure(array, lanes, config)
    api.require_flow(target.family, target.name)
    output.folder(out)
    with output.progress() as progress:
        built = api.build(api.realise(overlay, target), seed=seed, progress=progress)
        built.save(out)
    if as_json:
        output.document({"out": str(out), **built.to_json()})
        return
    _tell(built)
    output.note(built.real.note)
    typer.echo(f"bitstream {built.sha256[:16]}..., written to {out}")


def _tell(built: api.Built) -> None:
    routed, config = built.routed, built.real.config
    counts = routed.used.items()
    taken = ", ".join(f"{used:,} of {whole:,} {name}" for name, (used, whole) in counts)
    typer.echo(
        f"{config.rows} x {config.columns}, {config.lanes} lane(s), at "
        f"{built.clock_hz / 1e6:g} MHz: static timing analysis allows {routed.clock_mhz:.2f} MHz "
        f"(seed {routed.seed}); {taken}"
    )
    logic, routing = routed.share("logic"), routed.share("routing")
    typer.echo(
        f"critical path: {logic:.1f} ns of logic and {routing:.1f} ns of routing, from "
        f"{routed.path[0].name} to {routed.path[-1].name}"
    )
