"""The tables of causes: every cycle has a row, and what makes most of a layer's is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import causes
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


def test_equal_layers_have_one_row() -> None:
    net = OutlineBuilder("net", (32, 32, 20))
    x = "input"
    for name in ("a", "b", "c", "d"):
        x = net.conv(x, name, 20, 1)
    network = net.build()
    found = predict(explore(network, U200, array=(8, 32), certify=False, trials=False), network)
    rows = list(layer_rows(found))
    many = [row for row in rows if row.startswith("| `b` x ")]
    assert many and not any(row.startswith("| `c`") for row in rows)


def test_a_network_that_does_not_fit_has_a_row_that_says_so(monkeypatch, capsys) -> None:
    small = replace(U200, bram36=20, uram=0, source="")
    monkeypatch.setattr(causes, "board", lambda name, bare: small)
    causes.main(["vgg-19"])
    said = capsys.readouterr().out
    assert "| vgg-19 | u200, bare device | none: " in said and "no array fits beside" in said
