"""Interrupts: a program that is stopped says so in one line and leaves nothing half done.

``command`` wraps the main function of every program.  A signal raises ``KeyboardInterrupt`` in the
main thread, so that every ``with`` and ``finally`` on the way out does its work.  ``deferred``
holds it back for the moment in which files change their names.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BASE = 128  # a shell's exit code for a signal, less the signal's number


class _Program:
    """What runs under ``command``, and the signal that has come, if any."""

    name = ""
    signal: int | None = None


def watch(name: str) -> None:
    """From now on a signal ends the process as ``command`` has it: for modules that import much."""
    _Program.name = name
    sys.excepthook, sys.unraisablehook = _uncaught, _unraisable
    threading.excepthook = _uncaught_in_thread
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _interrupt)


def command(main: Callable[[], int | None], name: str) -> int:
    """Runs a program's main function; its exit code.

    A signal ends the process with the code that shells give it, 130 for Ctrl-C, whatever the code
    that it interrupts makes of the exception.
    """
    watch(name)
    try:
        return main() or 0
    finally:
        _stop_if_asked()
        _ignore()  # what was asked for is done; Python itself takes a while to end


def came() -> bool:
    """Whether the program was told to stop: whatever it fails with then has this cause."""
    return _Program.signal is not None


@contextmanager
def deferred() -> Iterator[None]:
    """Signals wait until the end of the block."""
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield
        return
    waiting: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number in SIGNALS:
            signal.signal(number, lambda number, frame: waiting.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in waiting[:1]:
            signal.raise_signal(late)


def ignored() -> None:
    """For worker processes: a terminal tells them, too, but their parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _Program.signal is not None:  # the second time nothing more is waited for
        _stop()
    _Program.signal = number
    raise KeyboardInterrupt


def _uncaught(*error: Any) -> None:
    _stop_if_asked()
    sys.__excepthook__(*error)


def _uncaught_in_thread(found: Any) -> None:
    """For threads of libraries, which find their processes gone: only the main one ends all."""
    if _Program.signal is None:
        threading.__excepthook__(found)


def _unraisable(found: Any) -> None:
    """For an exception where none can be raised, such as in a destructor."""
    _stop_if_asked()
    sys.__unraisablehook__(found)


def _stop_if_asked() -> None:
    if _Program.signal is not None:
        _stop()


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop() -> None:
    from dse.process.children import end_all  # late, so that programs start fast

    _ignore()
    end_all()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        print(f"{_Program.name}: interrupted", file=sys.stderr, flush=True)
    os._exit(_BASE + (_Program.signal or signal.SIGINT))
