"""The fuzzer of the tools: a short run of it, and that nothing bad goes unseen."""

from __future__ import annotations

import sys
import time

import pytest

from tests.fuzz import limited, tools
from tests.fuzz.campaign import campaign


@pytest.mark.parametrize(
    "seeds", [range(16), pytest.param(range(100, 400), marks=pytest.mark.slow)]
)
def test_nothing_bad(seeds: range) -> None:
    found = campaign(tools.judge, seeds, workers=1)
    assert found.bad == ()
    assert found.count == len(seeds)


def quiet() -> int:
    print("to stdout")
    return 2


def faulty() -> None:
    raise ZeroDivisionError


def busy() -> None:
    while True:
        pass


def hungry() -> None:
    data = [bytearray(64 << 20)]
    while True:
        data.append(bytearray(b"x") * (64 << 20))
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (quiet, "said 0 lines"),
        (faulty, "ended with 1"),
        (lambda: sys.exit(3), "ended with 3"),
        (lambda: print("fine"), None),
        (lambda: print("not so fine", file=sys.stderr), "said 1 lines"),
        (lambda: time.sleep(600), "took too much time"),
        (busy, "took too much time"),
        (hungry, "took too much memory"),
    ],
)
def test_faults_are_seen(call: object, fault: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    late = fault == "took too much time"
    monkeypatch.setattr(limited, "SECONDS", 1.0 if late else 60.0)
    monkeypatch.setattr(limited, "WAIT", 600.0 if call is busy else 3.0 if late else 600.0)
    monkeypatch.setattr(limited, "BYTES", 1 << 30)
    assert tools._fault(limited.limited(call)) == fault  # type: ignore[arg-type]
