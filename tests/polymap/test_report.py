"""The report of an exploration: complete, self-contained, and of the exploration's own numbers."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from math import log10
from pathlib import Path

import pytest

from boards.board import U200
from dse.evaluate.report_data import ReportData
from dse.explore.defaults import configuration
from dse.mapping import Restriction, map_network
from dse.network.graph import Network
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import benchmark
from polymap.report.page import report_page
from tests.polymap import report_samples
from tests.polymap.report_reader import Page, read
from tests.polymap.report_samples import MODEL

NASTY = "<b>$x_1$ & \"y\"</b> '\u5377\u7a4d'\x07]]>{{ 1 }}" + "long" * 20


def shown(data: ReportData, folder: Path) -> Page:
    path = folder / "report.html"
    path.write_text(report_page(data), encoding="utf-8")
    return read(path)


@pytest.fixture(scope="module")
def inception() -> ReportData:
    """150 layers."""
    return report_samples.closed(benchmark("inception-v4"), 95, 64)


@pytest.fixture(scope="module")
def inception_page(inception: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return shown(inception, tmp_path_factory.mktemp("inception"))


@pytest.fixture(scope="module")
def compiled(network: Network) -> ReportData:
    return report_samples.compiled(network)[0]


def self_contained(page: Page) -> bool:
    return (
        not page.references
        and "url(" not in page.text
        and not {"link", "iframe", "object", "embed", "img"} & set(page.tags)
        and "@import" not in page.text
        and "://" not in page.text
    )


def column(rows: Sequence[Sequence[str]], heading: str) -> list[str]:
    index = rows[0].index(heading)
    return [row[index] for row in rows[1:]]


def pairs(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    return {row[0]: row[1] for row in rows[1:]}


def number(text: str) -> float:
    return float(text.replace(",", "").rstrip("%").lstrip("+"))


def test_150_layers(inception: ReportData, inception_page: Page) -> None:
    assert self_contained(inception_page)
    rows = inception_page.tables["Layers"]
    layers = inception.mapping.layers
    assert len(layers) == 150
    assert column(rows, "layer") == [layer.name for layer in layers]
    assert column(rows, "layer") == inception_page.words("layers")
    assert column(rows, "algorithm") == [layer.label.algorithm for layer in layers]
    assert column(rows, "dataflow") == [layer.label.dataflow for layer in layers]
    for heading, values in (
        ("MAC", [layer.macs for layer in layers]),
        ("compute", [layer.compute for layer in layers]),
        ("transfer", [layer.transfer for layer in layers]),
        ("cycles", [layer.compute + layer.transfer for layer in layers]),
    ):
        found = [number(text) for text in column(rows, heading)]
        assert found == pytest.approx(values, abs=0.5)
    found = [number(text) / 100 for text in column(rows, "utilisation")]
    assert found == pytest.approx([layer.utilisation for layer in layers], abs=6e-4)
    assert column(rows, "next best") == [str(layer.alternative) for layer in layers]


def test_head(inception: ReportData, inception_page: Page) -> None:
    tables = inception_page.tables
    facts = pairs(tables["inception-v4 on u200"])
    mapping = inception.mapping
    assert number(facts["cycles"]) == pytest.approx(mapping.cycles, abs=0.5)
    assert facts["array"] == "95 x 64, 1 lane(s)"
    assert facts["latency"] == f"{mapping.latency_ms:.4f} ms at 286 MHz (assumed)"
    assert facts["certified gap"] == "0 cycles"
    assert facts["explored in"] == "1.25 s"
    assert pairs(tables["Configuration"]) == {"rows": "95", "columns": "64", "lanes": "1"}
    assert not {"Arrays", "Resources", "Latency against DSPs"} & set(tables)


def test_comparison(inception: ReportData, inception_page: Page) -> None:
    rows = inception_page.tables["Comparison"]
    latency = dict(
        zip(column(rows, "mapping"), map(number, column(rows, "ms (clock assumed)")), strict=True)
    )
    mapping = inception.mapping
    assert set(latency) == {
        *("this mapping", "im2col only", "kn2row only", "winograd-f2 only"),
        *("NS only", "WS only", "IS only", "every multiplier busy"),
        *("DYNAMAP's model", "DYNAMAP's model, free transitions"),
    }
    only = map_network(
        benchmark("inception-v4"), MODEL, 95, 64, restriction=Restriction(dataflows=("IS",))
    )
    assert latency["IS only"] == pytest.approx(only.latency_ms, abs=1e-4)
    assert all(latency[name] >= latency["this mapping"] for name in latency if "only" in name)
    assert latency["DYNAMAP's model"] == latency["this mapping"]
    assert latency["DYNAMAP's model, free transitions"] < latency["this mapping"]
    bound = sum(layer.macs for layer in mapping.layers) / (95 * 64) / U200.clock_hz * 1e3
    assert latency["every multiplier busy"] == pytest.approx(bound, abs=1e-4)
    extra = dict(zip(column(rows, "mapping"), column(rows, "against this one"), strict=True))
    assert extra["this mapping"] == "+0.0%"


def test_one_layer_of_any_name(tmp_path: Path) -> None:
    page = shown(report_samples.closed(report_samples.single(NASTY)), tmp_path)
    assert self_contained(page)
    assert "b" not in page.tags
    readable = NASTY.replace("\x07", "\ufffd")
    assert column(page.tables["Layers"], "layer") == [readable]
    escaped = readable.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for figure in ("layers", "roofline", "engines"):
        assert any(escaped in hint for hint in page.hints(figure))
    (word,) = page.words("layers")
    assert readable.startswith(html.unescape(word[:-1]))
    assert len(word) > 9


def test_no_layers(tmp_path: Path) -> None:
    page = shown(report_samples.closed(OutlineBuilder("none", (4, 4, 4)).build()), tmp_path)
    assert set(page.tables) == {"none on u200", "Configuration"}


def test_impossible_baselines_are_listed(tmp_path: Path) -> None:
    data = report_samples.closed(report_samples.single("conv"))
    impossible = replace(data.rivals[1], latency_ms=None, note="no way")
    page = shown(replace(data, rivals=(data.rivals[0], impossible)), tmp_path)
    assert page.tables["Comparison"][2] == (impossible.name, "no way", "\u2013", "\u2013")


def test_a_compiled_network(compiled: ReportData, tmp_path: Path) -> None:
    page = shown(compiled, tmp_path)
    assert self_contained(page)
    engines, drawn = page.words("engines"), []
    for bars, index in page.marks("engines"):
        row, start, length = bars["y"][index], bars["base"][index], bars["x"][index]
        hint = re.match(r"([A-Z]+) (\S*)<br>([\d,]+) to ([\d,]+)", bars["hovertext"][index])
        assert hint is not None
        assert (hint[1], number(hint[3]), number(hint[4])) == (engines[row], start, start + length)
        drawn.append((engines[row], hint[2], start, start + length))
    events = compiled.timeline.events
    assert sorted(drawn) == sorted((e.engine, e.layer, e.start, e.end) for e in events)
    assert {"LOAD", "WEIGHTS", "CONV", "POOL", "STORE"} <= set(engines)
    assert {event.layer for event in events} == {"first", "largest", "second"}
    for name in ("first", "second"):
        own = [e for e in events if e.engine == "CONV" and e.layer == name]
        assert sum(compiled.splits[name].values()) == own[-1].end - own[0].start
    last = max(event.end for event in events)
    assert last <= compiled.timeline.total
    (exact,) = (rival for rival in compiled.rivals if rival.name == "this mapping, compiled")
    assert exact.latency_ms == pytest.approx(compiled.timeline.total / U200.clock_hz * 1e3)


def test_resources(compiled: ReportData, tmp_path: Path) -> None:
    tables = shown(compiled, tmp_path).tables
    rows = tables["Resources"]
    *blocks, total, available, _ = rows[1:]
    for index, name in enumerate(rows[0][1:], start=1):
        if name != "bram36":  # halves of blocks add up first
            assert sum(number(block[index]) for block in blocks) == number(total[index])
    assert number(available[rows[0].index("dsp")]) == U200.dsp
    assert pairs(tables["Configuration"])["axi_bytes"] == "16"


def test_floor_plan(tmp_path: Path) -> None:
    """48 x 128 on the three dies of a U200, and a small array on one of them."""
    network = report_samples.single("conv")
    large = configuration(48, 128, 2, crossings=2)
    page = shown(report_samples.closed(network, 48, 128, large), tmp_path)
    assert page.tables["Floor plan"][1:] == [
        ("die 2", "94", "127", "34"),
        ("die 1", "47", "93", "47"),
        ("die 0", "0", "46", "47"),
    ]
    assert page.words("floor") == ["die 0", "die 1", "die 2"]
    bars, *borders = page.figures["floor"][0]
    assert list(zip(bars["y"], bars["base"], bars["x"], strict=True)) == [
        (0, 0, 47),
        (1, 47, 47),
        (2, 94, 34),
    ]
    assert [(line["x"], line["y"]) for line in borders] == [([47, 47], [0, 1]), ([94, 94], [1, 2])]
    assert "die 1, border before column 94: 1 of 2 registers" in page.hints("floor")
    page = shown(report_samples.closed(network, config=configuration(8, 12, 1)), tmp_path)
    assert [row[-1] for row in page.tables["Floor plan"][1:]] == ["0", "0", "12"]
    assert len(page.figures["floor"][0]) == 1


def test_searched_arrays(tmp_path: Path) -> None:
    data = report_samples.searched()
    page = shown(data, tmp_path)
    assert self_contained(page)
    groups, layout = page.figures["arrays"]
    assert [group["type"] for group in groups] == ["heatmap", "heatmap", "scatter"]
    assert layout["coloraxis"]["cmin"] == pytest.approx(log10(data.mapping.latency_ms))
    rows = page.tables["Latency against DSPs"]
    assert [number(text) for text in column(rows, "DSP")] == [p.dsp for p in data.pareto]
    mapping = data.mapping
    assert column(rows, "array")[-1] == f"{mapping.rows} x {mapping.columns}"
    told = f"{mapping.latency_ms:.4f} ms at 286 MHz (assumed)"
    assert f"{mapping.rows} x {mapping.columns}: {told}" in page.hints("front")


def test_the_same_data_gives_the_same_page() -> None:
    data = report_samples.searched()
    assert report_page(data) == report_page(data)
