"""A bar a layer: where its cycles go, and how busy the array is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dse.evaluate.report_data import ReportData
from dse.files.figures import BLUE, GREY, LEGEND, label, named, styled
from polymap.report.palette import Palette

_BUSY = ("compute", "array")
_GREYS = ("#dddddd", "#555555", "#999999", "#bbbbbb", "#777777")


@dataclass(frozen=True)
class BarPart:
    """The part of a row's bar that is drawn under ``name``."""

    name: str
    colour: str
    row: int
    cycles: float
    hint: str


def layer_bars(data: ReportData, palette: Palette) -> go.Figure:
    """Cycles by part, computing in the colour of the layer's algorithm, waiting in greys."""
    figure = make_subplots(cols=2, shared_yaxes=True, column_widths=(4, 1), horizontal_spacing=0.02)
    groups: dict[tuple[str, str], list[BarPart]] = {}
    for piece in _pieces(data, palette):
        groups.setdefault((piece.name, piece.colour), []).append(piece)
    for (name, colour), own in groups.items():
        figure.add_bar(
            row=1,
            col=1,
            orientation="h",
            name=name,
            y=[piece.row for piece in own],
            x=[piece.cycles for piece in own],
            marker_color=colour,
            hovertext=[piece.hint for piece in own],
            hoverinfo="text",
        )
    _utilisation(figure, data)
    figure.update_layout(barmode="stack", bargap=0.2, legend=LEGEND)
    figure.update_xaxes(title="cycles", exponentformat="SI", col=1)
    figure.update_yaxes(**named(list(data.splits)), range=(len(data.splits) - 0.4, -0.6))
    return styled(figure, 150 + 17 * len(data.splits))


def _pieces(data: ReportData, palette: Palette) -> Iterator[BarPart]:
    """Part by part in the order of a bar, and of each part the layers in theirs."""
    chosen = data.mapping.choice
    parts = dict.fromkeys(part for split in data.splits.values() for part in split)
    waiting = dict(zip((part for part in parts if part not in _BUSY), cycle(_GREYS), strict=False))
    for part in parts:
        for row, (layer, split) in enumerate(data.splits.items()):
            way = chosen.get(layer)
            grey = waiting.get(part)
            name, colour = palette.entry(way) if grey is None else (part, grey)
            if cycles := split.get(part, 0):
                title = label(layer) if way is None else f"{label(layer)} {way}"
                yield BarPart(name, colour, row, cycles, f"{title}<br>{part}: {cycles:,.0f} cycles")


def _utilisation(figure: go.Figure, data: ReportData) -> None:
    rows = {name: row for row, name in enumerate(data.splits)}
    layers = [layer for layer in data.mapping.layers if layer.name in rows]
    figure.add_scatter(
        row=1,
        col=2,
        x=[layer.utilisation for layer in layers],
        y=[rows[layer.name] for layer in layers],
        mode="lines+markers",
        line={"color": BLUE, "width": 1},
        marker_size=5,
        showlegend=False,
        hovertext=[f"{label(layer.name)}: {layer.utilisation:.1%}" for layer in layers],
        hoverinfo="text",
    )
    figure.add_vline(1, line={"color": GREY, "width": 1, "dash": "dot"}, row=1, col=2)
    figure.update_xaxes(title="utilisation", tickformat=".0%", rangemode="tozero", col=2)
