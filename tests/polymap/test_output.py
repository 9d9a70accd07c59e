"""Tables that lose nothing, and progress: a bar on a terminal, lines elsewhere, all on stderr."""

from __future__ import annotations

import io
import sys
import time

import pytest

from dse.process import progress
from polymap.commands import output


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def _show() -> None:
    with output.progress() as shown:
        shown.stage("building")
        for done in range(0, 101, 50):
            shown.share("simulating", done, 100)


def test_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    _show()
    assert "building" in stream.getvalue()
    assert "simulating" in stream.getvalue()
    assert stream.getvalue().endswith("\r")


def test_bar_goes_on_while_nobody_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.01)
    with output.progress() as shown:
        shown.stage("building")
        shown.note("half of it")
        time.sleep(0.2)
        assert "half of it" in stream.getvalue()


def test_short_work_says_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    _show()
    assert stream.getvalue() == ""


def test_long_work_says_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    with output.progress() as shown:
        shown.stage("building")
        shown.note("half of it")
        time.sleep(0.2)
        shown.share("simulating", 1, 4)
        time.sleep(0.2)
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 8
    assert lines[0] == "polymap: building, 0 s, half of it"
    assert lines[-1] == "polymap: simulating 25%, 0 s"


def test_share_counts_from_its_own_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "LINE_SECONDS", 5.0)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    shown = output.progress()
    shown.stage("building")
    now[0] = 100.0
    shown.share("simulating", 0, 4)
    now[0] = 110.0
    shown.share("simulating", 2, 4)
    shown._tell()
    assert stream.getvalue() == "polymap: simulating 50%, 10 s\n"


def test_tables_are_not_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"inception_5b/{'x' * 300}/{number}" for number in range(2)]
    output.table(("layer", "kind"), ("cycles",), [(name, "conv", "1,234") for name in names])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [[name, "conv", "1,234"] for name in names]


def test_tables_fold_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "40")
    output.table(("layer",), ("cycles",), [("n" * 60, "1")])
    assert stream.getvalue().count("n") == 60
