"""``polymap disasm``: a program in readable form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymap import api
from polymap.commands import output
from polymap.commands.options import Array, Config, Json, Lanes


def disasm(
    file: Annotated[
        Path, typer.Argument(help="program.bin, or the folder of a program to check it whole")
    ],
    array: Array = None,
    lanes: Lanes = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print a program's instructions, checksums verified; with an overlay, that it fits."""
    overlay = None
    if not (array is lanes is config is None):
        overlay = api.configure(array, lanes, config)
    instructions = api.read_instructions(file, overlay)
    if as_json:
        output.document({"file": str(file), "instructions": api.structure(instructions)})
    else:
        typer.echo(api.disassemble(instructions), nl=False)
