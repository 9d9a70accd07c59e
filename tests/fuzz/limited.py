"""A call in a process of its own, with bounds of time and memory and its output kept.

The process is forked, so that a case costs no imports: those are made once in the worker.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, NoReturn

import psutil

SECONDS = 30.0  # of the processor
WAIT = 4 * SECONDS  # of the clock: others may be at work beside it
BYTES = 2 << 30
STEP = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call ended.

    ``code``: None if it had to be killed, for taking too much of ``exceeded``.
    """

    code: int | None
    exceeded: str
    stdout: str
    stderr: str


def limited(call: Callable[[], int | None]) -> Outcome:
    """Runs ``call``, whose result or ``SystemExit`` is the exit code."""
    with tempfile.TemporaryFile("w+b") as out, tempfile.TemporaryFile("w+b") as err:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _child(call, out, err)
        exceeded = _watch(child)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what it started must not outlive it either
        _, status = os.waitpid(child, 0)
        code = None if exceeded else os.waitstatus_to_exitcode(status)
        return Outcome(code=code, exceeded=exceeded, stdout=_text(out), stderr=_text(err))


def _child(call: Callable[[], int | None], out: IO[bytes], err: IO[bytes]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        code = call() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watch(child: int) -> str:
    """Waits for the process; what it took too much of, if anything."""
    ended = os.pidfd_open(child)
    try:
        deadline = time.monotonic() + WAIT
        while not select.select([ended], [], [], STEP)[0]:
            seconds, size = _taken(child)
            if seconds > SECONDS or time.monotonic() > deadline:
                return "time"
            if size > BYTES:
                return "memory"
        return ""
    finally:
        os.close(ended)


def _taken(child: int) -> tuple[float, int]:
    """Processor time and bytes of memory of a process and of those below it."""
    seconds, size = 0.0, 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(child)
        for one in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                seconds += times.user + times.system
                size += one.memory_info().rss
    return seconds, size


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
