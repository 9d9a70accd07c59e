"""The tables of causes: every cycle has a row, and what makes most of a layer's is named."""

from __future__ import annotations

import pytest

from benchmarks.causes import CAUSES, LEAST, layer_rows, row
from boards.board import U200
from dse.explore.search import explore, predict
from dse.explore.waterfall import PARTS
from dse.networks.builder import OutlineBuilder


def test_rows_are_all_cycles_and_name_what_is_idle() -> None:
    net = OutlineBuilder("net", (32, 32, 16))
    x = net.pool(net.conv("input", "narrow", 4, 3), "pool", 2, stride=2)
    net.conv(x, "wide", 64, 3)
    network = net.build()
    found = predict(explore(network, U200, array=(8, 32), certify=False, trials=False), network)
    assert found.execution is not None
    rows = [line.split(" | ") for line in layer_rows(found)]
    cycles = [int(cells[2].replace(",", "")) for cells in rows]
    assert sum(cycles) == pytest.approx(found.execution.cycles.total, abs=len(rows))
    named = {cells[0].strip("| `"): cells for cells in rows}
    narrow = named["narrow"]
    assert int(narrow[3].replace(",", "")) >= LEAST
    assert "of 32 columns" in narrow[-1]
    assert rows[-1][0].startswith("| others (")
    assert "u200" in row("net", U200, found)
    assert set(CAUSES) == set(PARTS) - {"multipliers", "algorithms, edges"}
