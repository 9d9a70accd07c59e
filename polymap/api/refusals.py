"""Errors as the command line reports them: one line each."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.isa.errors import BAD_INPUT, FAILURE, PolymapError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.ENOMEM)


class InputError(PolymapError, ValueError):
    """Input that cannot be used; the message says what, where and what to do."""


@contextmanager
def about(path: str | Path) -> Iterator[None]:
    """Refusals from within name the file."""
    try:
        yield
    except PolymapError as error:
        if error.exit_code != BAD_INPUT or _names(error, path):
            raise
        raise InputError(f"{path}: {one_line(error)}") from error


def describe(error: Exception, command: str) -> tuple[str, int]:
    """The line for an error that ended a command, and the exit code."""
    text = one_line(error)
    full = _no_room(error)
    if full is not None:
        where = f"{full.filename}: " if full.filename else ""
        return f"{where}{full.strerror}: nothing was written", FAILURE
    if isinstance(error, PolymapError):
        return f"{error.heading}{text}", error.exit_code
    if isinstance(error, ModuleNotFoundError):
        return f"{text}: `polymap doctor` lists what is needed", BAD_INPUT
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", BAD_INPUT
    kind = type(error).__name__
    return f"internal error, {kind}: {text}; `polymap --debug {command} ...` shows where", FAILURE


def _no_room(error: BaseException | None) -> OSError | None:
    """The failure of a disk that is behind an error, if any."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return error
        error = error.__cause__ or error.__context__
    return None


def one_line(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _names(error: Exception, path: str | Path) -> bool:
    """Whether the message already says which file, or which of the folder, is meant."""
    return re.search(rf"(?<![\w/]){re.escape(str(path))}(?!\w)", str(error)) is not None
