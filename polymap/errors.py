"""Errors as the command line reports them: one line each.

The classes are looked up among the modules already imported: what was raised is there, and the
command line starts without waiting for the others or failing for want of a package.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BAD_INPUT, FAILURE = 2, 1
"""Exit codes: the input cannot be used; the tool or the design failed."""


class InputError(ValueError):
    """Input that cannot be used; the message says what, where and what to do."""


_REFUSALS = {
    "boards.board": "BoardError",
    "dse.cost.infeasible": "Infeasible",
    "dse.network.graph": "NetworkError",
    "dse.networks.workload": "WorkloadError",
    "dse.program.errors": "ProgramError",
    "hw.config": "ConfigError",
    "polymap.errors": "InputError",
    "sim.verilator": "ToolError",
}
_FAILURES = {"sim.runner": "SimulationError"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.ENOMEM)


@contextmanager
def about(path: str | Path) -> Iterator[None]:
    """Refusals from within name the file."""
    try:
        yield
    except Exception as error:
        if not _is(error, _REFUSALS) or _names(error, path):
            raise
        raise InputError(f"{path}: {one_line(error)}") from error


def describe(error: Exception, command: str) -> tuple[str, int]:
    """The line for an error that ended a command, and the exit code."""
    text = one_line(error)
    full = _no_room(error)
    if full is not None:
        where = f"{full.filename}: " if full.filename else ""
        return f"{where}{full.strerror}: nothing was written", FAILURE
    if _is(error, _REFUSALS):
        return text, BAD_INPUT
    if isinstance(error, ModuleNotFoundError):
        return f"{text}: `polymap doctor` lists what is needed", BAD_INPUT
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", BAD_INPUT
    if _is(error, _FAILURES):
        return f"the simulation failed: {text}", FAILURE
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


def _is(error: Exception, kinds: dict[str, str]) -> bool:
    known = [
        getattr(sys.modules[module], name)
        for module, name in kinds.items()
        if module in sys.modules
    ]
    return isinstance(error, tuple(known))
