"""Errors as the command line reports them: one line each."""

from __future__ import annotations

import errno

from hw.isa.errors import BAD_INPUT, FAILURE, PolymapError, one_line

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.ENOMEM)


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
    if isinstance(error, FileExistsError):
        return f"{error.filename}: a file has this name: choose another folder", BAD_INPUT
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
