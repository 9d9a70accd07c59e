"""The array search: latency of every R x C, and the front of latency against DSPs."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dse.cost.clock import latency, unit
from dse.evaluate.report_data import ReportData
from dse.evaluate.searched_arrays import SearchedArrays
from dse.files.figures import ACCENT, BLUE, GREY, styled

_WORST = 8.0  # times the least latency: the end of the colour scale
_PALE = 0.45  # opacity of bounds


def heat_map(data: ReportData, candidates: SearchedArrays) -> go.Figure:
    """Latency over rows and columns; pale: lower bounds of arrays that were ruled out unsolved."""
    mapping = data.mapping
    found = candidates.cells()
    scale = 1e3 / mapping.clock_hz
    fastest = float(np.nanmin(found.solved)) * scale
    ms = unit(data.board.clock_standing)
    figure = go.Figure()
    for what, values, opacity in (("over ", found.bound, _PALE), ("", found.solved, 1.0)):
        milliseconds = (values * scale).astype(np.float32)
        figure.add_heatmap(
            x=found.columns,
            y=found.rows,
            z=np.log10(milliseconds),
            customdata=milliseconds,
            hovertemplate=f"%{{y:.0f}} x %{{x:.0f}}: {what}%{{customdata:.4f}} {ms}<extra></extra>",
            opacity=opacity,
            coloraxis="coloraxis",
        )
    ticks = [fastest * factor for factor in (1, 2, 4, _WORST)]
    figure.update_layout(
        coloraxis={
            "cmin": np.log10(fastest),
            "cmax": np.log10(fastest * _WORST),
            "colorscale": "Viridis_r",
            "colorbar": {
                "title": ms,
                "tickvals": np.log10(ticks),
                "ticktext": [f"{tick:.3g}" for tick in ticks],
            },
        }
    )
    figure.add_scatter(x=[mapping.columns], y=[mapping.rows], **_chosen(data))
    figure.update_xaxes(type="log", title="columns", dtick="D2", showgrid=False)
    figure.update_yaxes(type="log", title="rows", dtick="D2", showgrid=False)
    return styled(figure, 520)


def front(data: ReportData) -> go.Figure:
    """The arrays that no other beats in latency and DSPs."""
    points = data.pareto
    figure = go.Figure(
        go.Scatter(
            x=[point.dsp for point in points],
            y=[point.latency_ms for point in points],
            mode="lines+markers",
            line={"shape": "hv", "color": GREY, "width": 1},
            marker={"color": BLUE, "size": 6},
            showlegend=False,
            hovertext=[
                f"{point.rows} x {point.columns}: {point.dsp:,} DSPs, "
                + latency(point.latency_ms, data.mapping.clock_hz, data.board.clock_standing)
                for point in points
            ],
            hoverinfo="text",
        )
    )
    mapping = data.mapping
    figure.add_scatter(x=[mapping.dsp], y=[mapping.latency_ms], **_chosen(data))
    figure.update_xaxes(type="log", title="DSPs", dtick="D2")
    figure.update_yaxes(type="log", title=unit(data.board.clock_standing), dtick="D2")
    return styled(figure, 360)


def _chosen(data: ReportData) -> dict[str, object]:
    """The circle around the chosen array."""
    mapping = data.mapping
    told = latency(mapping.latency_ms, mapping.clock_hz, data.board.clock_standing)
    return {
        "mode": "markers",
        "marker": {"symbol": "circle-open", "size": 15, "color": ACCENT, "line": {"width": 3}},
        "showlegend": False,
        "hovertext": [f"{mapping.rows} x {mapping.columns}: {told}"],
        "hoverinfo": "text",
    }
