"""The waterfall: from what the multipliers alone would take up to the measured cycles."""

from __future__ import annotations

import plotly.graph_objects as go

from dse.evaluate.report_data import ReportData
from dse.explore.waterfall import PARTS, waterfall
from dse.files.figures import ACCENT, BLUE, GREY, styled


def waterfall_figure(data: ReportData) -> go.Figure:
    """A bar a part, each from where the one before ends; the last is the total."""
    parts = waterfall(data.waterfall)
    total = sum(parts.values())
    figure = go.Figure(
        go.Waterfall(
            x=[*parts, "total"],
            y=[*parts.values(), 0],
            measure=[*("relative" for _ in parts), "total"],
            increasing={"marker": {"color": ACCENT}},
            decreasing={"marker": {"color": BLUE}},
            totals={"marker": {"color": GREY}},
            connector={"line": {"color": GREY, "width": 1}},
            hovertext=[
                *(f"{n}: {c:,.0f} cycles<br>{PARTS[n]}" for n, c in parts.items()),
                f"total: {total:,.0f} cycles",
            ],
            hoverinfo="text",
        )
    )
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(title="cycles", exponentformat="SI", rangemode="tozero")
    return styled(figure, 360)
