"""The table of prefetch shares."""

from __future__ import annotations

import pytest

from benchmarks import prefetch


@pytest.mark.slow
def test_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed form falls with the share; the program's cycles stay near it."""
    monkeypatch.setattr(prefetch, "ARRAY", (32, 64))
    monkeypatch.setattr(prefetch, "SHARES", (0.0, 1.0))
    name, ports, *cells = prefetch.row("squeezenet", 1).strip("| ").split(" | ")
    assert (name, ports) == ("squeezenet", "1")
    figures = [[int(n.replace(",", "")) for n in cell.split(" / ")] for cell in cells]
    (most, _), (least, _) = figures
    assert most >= least
    assert all(0.8 < closed / exact < 1.25 for closed, exact in figures)
