"""What the commands write: JSON documents and tables on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

_STAGE = "{desc} {elapsed}"
_SHARE = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
_PLAIN_WIDTH = 120  # of tables that do not go to a terminal


class Progress:
    """The stage of a long command, on stderr: nothing if ``quiet`` or if that is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._disable = True if quiet else None  # None: tqdm asks the stream
        self._bar: tqdm | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def stage(self, text: str) -> None:
        """What starts now, for a while that nobody knows."""
        self._close()
        self._bar = tqdm(desc=text, bar_format=_STAGE, leave=False, disable=self._disable)

    def share(self, text: str, done: int, total: int) -> None:
        """How much of what is going on is done."""
        if self._bar is None or self._bar.total != total:
            self._close()
            self._bar = tqdm(
                desc=text, total=total, bar_format=_SHARE, leave=False, disable=self._disable
            )
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def folder(path: Path) -> Path:
    """The folder for results, made before the long work."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def document(data: Any) -> None:
    """A JSON document on stdout."""
    typer.echo(json.dumps(data, indent=1))


def table(texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: first the columns of texts, then those of numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in texts:
        made.add_column(name)
    for name in numbers:
        made.add_column(name, justify="right")
    for row in rows:
        made.add_row(*row)
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    Console(width=width, highlight=False, markup=False).print(made)
