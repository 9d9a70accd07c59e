"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="ONNX model, float or quantised")]
Array = Annotated[
    str | None,
    typer.Option(metavar="RxC", help="rows and columns of the array, such as 16x32"),
]
Lanes = Annotated[
    int | None,
    typer.Option(min=1, max=2, help="multiply-accumulates per PE and cycle"),
]
Config = Annotated[
    Path | None,
    typer.Option(help="JSON file of overlay parameters, a side-car, or a program's folder"),
]
BOARDS = "{boards}"
"""In the help of an option: the names of all boards."""

Mapping = Annotated[
    Path | None, typer.Option(help="JSON file of dataflows forced for single layers")
]
Calibration = Annotated[
    Path | None, typer.Option(help="typical inputs by name, .npz; float models need them")
]
Out = Annotated[Path, typer.Option(help="folder for the results")]
Shape = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME:1,3,H,W", help="of an input with free axes; may be repeated"),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="refuse operators that the host would run between layers"),
]
Bare = Annotated[
    bool,
    typer.Option("--bare", help="the board's whole device, without shell or block design"),
]
Batch = Annotated[
    int, typer.Option(min=1, metavar="N", help="images of a run, which share weights")
]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
