"""Real commands, stopped by a signal at a moment of choice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_CAUGHT = re.compile(r"^SigCgt:\s*([0-9a-f]+)$", re.MULTILINE)
_PATIENCE = 300.0


@dataclass(frozen=True)
class Ended:
    """How a command ended; ``left``: command lines of processes that outlived it."""

    code: int
    stdout: str
    stderr: str
    left: tuple[str, ...]


def interrupted(
    *arguments: object,
    when: Callable[[int], bool],
    number: int = signal.SIGINT,
    group: bool = False,
    program: Sequence[str] = ("-m", "polymap.cli"),
) -> Ended:
    """``polymap``, or what Python runs instead, stopped once ``when`` holds for its process.

    ``group``: the signal goes to its children, too, as a terminal sends it.
    """
    process = subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait(process, lambda: _listens(process.pid))
        _wait(process, lambda: when(process.pid))
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        stdout, stderr = process.communicate(timeout=_PATIENCE)
    finally:
        left = _session(process.pid)
        if left:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return Ended(process.returncode, stdout, stderr, left)


def after(seconds: float) -> Callable[[int], bool]:
    """Holds so many seconds after it was first asked, when the program listens to signals."""
    begun: list[float] = []

    def when(pid: int) -> bool:
        begun.append(time.monotonic())
        return begun[-1] - begun[0] >= seconds

    return when


def running(name: str) -> Callable[[int], bool]:
    """Holds once the command has a child process of that name."""

    def when(pid: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            return any(child.name() == name for child in psutil.Process(pid).children(True))
        return False

    return when


def _wait(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def _listens(pid: int) -> bool:
    """Whether the program has its handlers: Python by itself has none for SIGTERM."""
    try:
        found = _CAUGHT.search(Path(f"/proc/{pid}/status").read_text())
    except FileNotFoundError:
        return False
    return found is not None and bool(int(found[1], 16) >> (signal.SIGTERM - 1) & 1)


def _session(leader: int) -> tuple[str, ...]:
    """What still runs in the session of a process."""
    left = []
    for one in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(one.pid) == leader and one.status() != psutil.STATUS_ZOMBIE:
                left.append(" ".join(one.cmdline()))
    return tuple(left)
