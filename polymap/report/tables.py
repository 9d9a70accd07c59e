"""The report's tables: the numbers behind the figures, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dse.cost.clock import latency, unit
from dse.evaluate.report_data import ReportData
from dse.explore.card import Card
from dse.explore.flights import unbeaten
from dse.explore.resources import Resources
from dse.explore.waterfall import PARTS
from dse.explore.waterfall import waterfall as parts_of
from dse.files.figures import printable
from polymap.report.roofline import intensity

NONE = "\u2013"


@dataclass(frozen=True)
class Table:
    """Cells of text; the first ``words`` columns are words, the others numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


def facts(data: ReportData) -> Table:
    """The result in short."""
    mapping, gap = data.mapping, data.certified_gap
    rows = (
        ("board", f"{data.board.name} ({data.board.part})"),
        ("array", f"{mapping.rows} x {mapping.columns}, {data.lanes} lane(s)"),
        ("cost model", mapping.model),
        ("DSP", f"{mapping.dsp:,} of {data.board.dsp:,}, device {data.board.device['dsp']:,}"),
        ("cycles", f"{mapping.cycles:,.0f}"),
        ("compute cycles", f"{mapping.compute:,.0f}"),
        ("transfer cycles", f"{mapping.transfer:,.0f}"),
        ("latency", latency(mapping.latency_ms, mapping.clock_hz, data.board.clock_standing)),
        ("certified gap", "not asked for" if gap is None else f"{gap:g} cycles"),
        ("mapped in", f"{mapping.seconds:.3f} s"),
        ("explored in", f"{data.seconds:.2f} s"),
    )
    return Table(("", ""), rows, 2)


def configuration(data: ReportData) -> Table:
    """Parameters of the overlay."""
    rows = [(name, f"{value}") for name, value in data.configuration.items()]
    return Table(("parameter", "value"), rows)


def resources(data: ReportData) -> Table:
    """What the overlay takes of the board by block."""
    total = Resources.total(data.resources.values())
    rows = [
        (name, *(f"{used:,}" for used in part.to_json().values()))
        for name, part in data.resources.items()
    ]
    rows.append(("total", *(f"{used:,}" for used in total.to_json().values())))
    for whose, counts in _offers(data.board).items():
        rows.append((whose, *(f"{counts[name]:,}" for name in total.to_json())))
        shares = (
            f"{used / counts[name]:.0%}" if counts[name] else NONE
            for name, used in total.to_json().items()
        )
        rows.append(("share", *shares))
    return Table(("block", *total.to_json()), rows)


def _offers(board: Card) -> dict[str, Mapping[str, int]]:
    """What there is: of the bare device and, before it, of what its card leaves."""
    device = {f"of the device of {board.name}": board.device}
    return device if not board.source else {f"that {board.name} leaves": board.limits, **device}


def floor(data: ReportData) -> Table:
    """The columns of the array on each die, the highest die first, as in the figure."""
    rows = [
        (f"die {die}", f"{columns.start}", f"{columns[-1]}", f"{len(columns)}")
        if columns
        else (f"die {die}", NONE, NONE, "0")
        for die, columns in reversed(list(enumerate(data.dies)))
    ]
    return Table(("", "first column", "last column", "columns"), rows)


def layers(data: ReportData) -> Table:
    """Every layer: choice, cycles, parts, utilisation, traffic, next best choice."""
    parts = list(dict.fromkeys(part for split in data.splits.values() for part in split))
    shape = ("layer", "algorithm", "dataflow", "variant", "MAC", "cycles")
    behind = ("utilisation", "DRAM bytes", "MAC/byte", "next best", "costs")
    rows = []
    for layer in data.mapping.layers:
        split = data.splits.get(layer.name, {})
        rows.append(
            (
                printable(layer.name),
                layer.label.algorithm,
                layer.label.dataflow,
                layer.label.variant,
                f"{layer.macs:,}",
                f"{layer.compute + layer.transfer:,.0f}",
                *(f"{split[part]:,.0f}" if part in split else NONE for part in parts),
                f"{layer.utilisation:.1%}",
                f"{data.traffic[layer.name]:,.0f}",
                f"{intensity(data, layer.name, layer.macs):,.1f}",
                NONE if layer.alternative is None else str(layer.alternative),
                NONE if layer.alternative_extra is None else f"{layer.alternative_extra:+,.0f}",
            )
        )
    return Table((*shape, *parts, *behind), rows, 4)


def rivals(data: ReportData) -> Table:
    """The comparison."""
    own = data.mapping.latency_ms
    rows = [
        (
            rival.name,
            rival.note,
            NONE if rival.latency_ms is None else f"{rival.latency_ms:.4f}",
            NONE if rival.latency_ms is None else f"{rival.latency_ms / own - 1:+.1%}",
        )
        for rival in data.rivals
    ]
    return Table(("mapping", "", unit(data.board.clock_standing), "against this one"), rows, 2)


def waterfall(data: ReportData) -> Table:
    """Cycles by part, and what each counts."""
    parts = parts_of(data.waterfall)
    total = sum(parts.values())
    rows = [
        (name, PARTS[name], f"{cycles:,.0f}", f"{cycles / total:.1%}")
        for name, cycles in parts.items()
    ]
    rows.append(("total", "", f"{total:,.0f}", f"{1:.1%}"))
    return Table(("part", "what it counts", "cycles", "share"), rows, 2)


def waterfall_by_layer(data: ReportData) -> Table:
    """The same of every layer, that which adds most to its multiplications first."""
    added = {
        name: sum(parts.values()) - parts["multipliers"] for name, parts in data.waterfall.items()
    }
    rows = [
        (
            printable(name),
            f"{added[name]:,.0f}",
            *(f"{cycles:,.0f}" for cycles in data.waterfall[name].values()),
        )
        for name in sorted(added, key=added.__getitem__, reverse=True)
    ]
    return Table(("layer", "added", *PARTS), rows, 1)


def flights(data: ReportData) -> Table:
    """Overlays on the card and images of a run, with latency and throughput."""
    best = unbeaten(data.flights)
    rows = [
        (
            f"{flight.overlays}",
            f"{flight.array}",
            f"{flight.images}",
            f"{flight.dsp:,}",
            f"{flight.cycles:,}",
            f"{flight.latency_ms:.4f}",
            f"{flight.images_per_second:,.1f}",
            "yes" if flight in best else NONE,
        )
        for flight in data.flights
    ]
    ms = unit(data.board.clock_standing)
    headings = ("overlays", "array", "images a run", "DSP", "cycles", ms, "images/s", "unbeaten")
    return Table(headings, rows, 2)


def pareto(data: ReportData) -> Table:
    """The front of latency against DSPs."""
    rows = [
        (
            f"{point.rows} x {point.columns}",
            f"{point.dsp:,}",
            f"{point.cycles:,.0f}",
            f"{point.latency_ms:.4f}",
        )
        for point in data.pareto
    ]
    return Table(("array", "DSP", "cycles", unit(data.board.clock_standing)), rows)
