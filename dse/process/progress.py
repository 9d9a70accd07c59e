"""Progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

LINE_SECONDS = 20.0
"""Between two lines where there is no terminal; shorter work says nothing there."""

_REFRESH_SECONDS = 0.5
_STAGE = "{desc} {elapsed}{postfix}"
_SHARE = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


class Progress:
    """What a program is doing, from a thread of its own, since libraries do not call back.

    Parameters
    ----------
    name : of the program, before each line.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._bar: tqdm | None = None
        self._text, self._share, self._note = "", "", ""
        self._begun = self._told = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._close()

    def stage(self, text: str) -> None:
        """What starts now, for a while that nobody knows."""
        with self._lock:
            self._begin(text)
            if self._terminal:
                self._bar = tqdm(desc=text, bar_format=_STAGE, leave=False)

    def share(self, text: str, done: int, total: int) -> None:
        """How much of what is going on is done; it began with the first call."""
        with self._lock:
            if text != self._text or (self._bar is not None and self._bar.total != total):
                self._begin(text)
                if self._terminal:
                    self._bar = tqdm(desc=text, total=total, bar_format=_SHARE, leave=False)
            self._share = f" {done / max(1, total):.0%}"
            if self._bar is not None:
                self._bar.update(done - self._bar.n)

    def note(self, text: str) -> None:
        """A few words on how the stage goes on."""
        with self._lock:
            self._note = f", {text}"
            if self._bar is not None:
                self._bar.set_postfix_str(text, refresh=False)

    def _begin(self, text: str) -> None:
        self._close()
        self._text, self._share, self._note = text, "", ""
        self._begun = time.monotonic()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def _run(self) -> None:
        while not self._ended.wait(_REFRESH_SECONDS):
            with self._lock:
                self._tell()

    def _tell(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
        now = time.monotonic()
        if self._terminal or not self._text or now - self._told < LINE_SECONDS:
            return
        self._told = now
        seconds = now - self._begun
        line = f"{self._name}: {self._text}{self._share}, {seconds:.0f} s{self._note}"
        print(line, file=sys.stderr, flush=True)
