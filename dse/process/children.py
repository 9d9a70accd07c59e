"""Child processes: none outlives the program that started it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

_PATIENCE = 5.0  # seconds that killed processes have to be gone
Processes = Sequence[psutil.Process]


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: IO[Any]) -> int:
    """Runs a program that starts others, such as a build; its exit code.

    Whatever ends the wait ends all of them.
    """
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )
    try:
        return process.wait()
    except BaseException:
        end(process)
        raise


def end(process: subprocess.Popen[Any]) -> None:
    """Kills a child and all below it."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        _end(lambda: [root, *root.children(recursive=True)])
    process.wait()


def end_all() -> None:
    """Kills all processes below this one."""
    own = psutil.Process()
    _end(lambda: own.children(recursive=True))


def _end(listed: Callable[[], Processes]) -> None:
    """All are stopped before any is killed.

    A running one could start more, and the children of a killed one would no longer be found.
    """
    stopped: dict[int, psutil.Process] = {}
    while fresh := [one for one in listed() if one.pid not in stopped]:
        for one in fresh:
            stopped[one.pid] = one
            with suppress(psutil.NoSuchProcess):
                one.suspend()
    for one in stopped.values():
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(list(stopped.values()), timeout=_PATIENCE)
