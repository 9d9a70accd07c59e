"""The engines over time."""

from __future__ import annotations

import plotly.graph_objects as go

from dse.evaluate.report_data import ReportData
from dse.evaluate.timeline import Event
from dse.files.figures import GREY, LEGEND, label, named, styled
from hw.isa import Opcode
from polymap.report.palette import Palette

_ORDER = tuple(
    opcode.name for opcode in (Opcode.LOAD, Opcode.WEIGHTS, Opcode.CONV, Opcode.POOL, Opcode.STORE)
)


def gantt(data: ReportData, palette: Palette) -> go.Figure:
    """A row an engine, a bar an instruction; zooming changes the time that is seen."""
    events = data.timeline.events
    present = {event.engine for event in events}
    engines = [name for name in _ORDER if name in present]
    engines += sorted(present - set(engines))
    rows = {engine: row for row, engine in enumerate(engines)}
    groups: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        entry = palette.entry(data.mapping.choice.get(event.layer))
        groups.setdefault(entry, []).append(event)
    figure = go.Figure()
    for (name, colour), own in sorted(groups.items()):
        figure.add_bar(
            orientation="h",
            name=name,
            y=[rows[event.engine] for event in own],
            base=[event.start for event in own],
            x=[event.end - event.start for event in own],
            width=0.7,
            marker={"color": colour, "line": {"color": GREY, "width": 0.5}},
            hovertext=[_hint(event) for event in own],
            hoverinfo="text",
        )
    figure.update_layout(barmode="overlay", legend=LEGEND)
    span = (0, data.timeline.total)
    figure.update_xaxes(
        title="cycles",
        range=span,
        exponentformat="SI",
        rangeslider={"visible": True, "range": span, "thickness": 0.2},
    )
    figure.update_yaxes(**named(engines), range=(len(engines) - 0.4, -0.6), fixedrange=True)
    return styled(figure, 190 + 45 * len(engines))


def _hint(event: Event) -> str:
    span = f"{event.start:,.0f} to {event.end:,.0f}, {event.end - event.start:,.0f} cycles"
    return f"{event.engine} {label(event.layer)}<br>{span}"
