"""Progress on a terminal, and its absence elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from polymap.commands.output import Progress


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def _show(quiet: bool) -> None:
    with Progress(quiet=quiet) as progress:
        progress.stage("building")
        for done in range(0, 101, 50):
            progress.share("simulating", done, 100)


def test_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    _show(quiet=False)
    assert "building" in stream.getvalue()
    assert "simulating" in stream.getvalue()
    assert stream.getvalue().endswith("\r")


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_quiet(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    _show(quiet=quiet)
    assert stream.getvalue() == ""
