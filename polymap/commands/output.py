"""What the commands write: JSON documents and tables on stdout, progress on stderr."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from dse.process.progress import Progress
from polymap.commands import NAME

_UNBOUNDED = 1 << 16  # columns where there is no terminal: nothing is cut off


def progress() -> Progress:
    """Of a command, which ``--json`` does not silence: it is on stderr."""
    return Progress(NAME)


def folder(path: Path) -> None:
    """OSError, before the long work, if there can be no folder for results; it is not made yet."""
    nearest = next(one for one in (path, *path.parents) if one.exists())
    if not nearest.is_dir():
        raise _refusal(errno.EEXIST if nearest == path else errno.ENOTDIR, nearest)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _refusal(errno.EACCES, nearest)


def document(data: Any) -> None:
    """A JSON document on stdout."""
    typer.echo(json.dumps(data, indent=1))


def note(text: str) -> None:
    """A line on stdout about what is not as it should be, if there is one."""
    if text:
        typer.echo(f"note: {text}")


def table(texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: first the columns of texts, then those of numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in texts:
        made.add_column(name, overflow="fold")
    for name in numbers:
        made.add_column(name, justify="right", overflow="fold")
    for row in rows:
        made.add_row(*row)
    show(made)


def _refusal(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


def show(made: RenderableType) -> None:
    """Something of ``rich`` on stdout, as wide as it is unless a terminal is narrower."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    Console(width=width, highlight=False, markup=False).print(made)
