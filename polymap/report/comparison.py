"""The chosen mapping beside what it could have been."""

from __future__ import annotations

import plotly.graph_objects as go

from dse.evaluate.report_data import ReportData
from dse.files.figures import ACCENT, BLUE, named, styled


def comparison(data: ReportData) -> go.Figure:
    """A bar a rival, in milliseconds."""
    rivals = [(rival, rival.latency_ms) for rival in data.rivals if rival.latency_ms is not None]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=list(range(len(rivals))),
            x=[latency for _, latency in rivals],
            text=[f"{latency:.3f}" for _, latency in rivals],
            textposition="outside",
            cliponaxis=False,
            marker_color=[ACCENT if rival.chosen else BLUE for rival, _ in rivals],
            hovertext=[f"{rival.name}: {ms:.4f} ms<br>{rival.note}" for rival, ms in rivals],
            hoverinfo="text",
        )
    )
    figure.update_xaxes(title="ms")
    figure.update_yaxes(**named([rival.name for rival, _ in rivals]), autorange="reversed")
    return styled(figure, 90 + 26 * len(rivals))
