"""Errors that name the file that they are about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.isa.errors import BAD_INPUT, InputError, PolymapError, one_line


@contextmanager
def about(path: str | Path) -> Iterator[None]:
    """Refusals from within name the file."""
    try:
        yield
    except PolymapError as error:
        if error.exit_code != BAD_INPUT or _names(error, path):
            raise
        raise InputError(f"{path}: {one_line(error)}") from error


def _names(error: Exception, path: str | Path) -> bool:
    """Whether the message already says which file, or which of the folder, is meant."""
    return re.search(rf"(?<![\w/]){re.escape(str(path))}(?!\w)", str(error)) is not None
