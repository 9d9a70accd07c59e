"""Images in flight: throughput against latency, by overlays on the card."""

from __future__ import annotations

import plotly.graph_objects as go

from dse.cost.clock import unit
from dse.evaluate.report_data import ReportData
from dse.explore.flights import Flight, unbeaten
from dse.files.figures import GREY, LEGEND, styled


def flight_figure(data: ReportData) -> go.Figure:
    """A colour for each number of overlays, a mark for each batch; the front as a line."""
    best = unbeaten(data.flights)
    figure = go.Figure(
        go.Scatter(
            x=[flight.latency_ms for flight in best],
            y=[flight.images_per_second for flight in best],
            mode="lines",
            line={"shape": "hv", "color": GREY, "width": 1},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    for overlays in sorted({flight.overlays for flight in data.flights}):
        own = [flight for flight in data.flights if flight.overlays == overlays]
        figure.add_scatter(
            x=[flight.latency_ms for flight in own],
            y=[flight.images_per_second for flight in own],
            mode="markers",
            name=f"{overlays} x {own[0].array}",
            marker={"size": 9},
            hovertext=[_words(flight, unit(data.board.clock_standing)) for flight in own],
            hoverinfo="text",
        )
    figure.update_layout(legend=LEGEND)
    figure.update_xaxes(title=unit(data.board.clock_standing), rangemode="tozero")
    figure.update_yaxes(title="images a second", rangemode="tozero")
    return styled(figure, 360)


def _words(flight: Flight, ms: str) -> str:
    return (
        f"{flight.overlays} overlay(s) of {flight.array}, {flight.images} image(s) a run: "
        f"{flight.latency_ms:.4f} {ms}, {flight.images_per_second:,.0f} images a second"
    )
