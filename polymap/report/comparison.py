"""The chosen mapping beside what it could have been."""

from __future__ import annotations

import plotly.graph_objects as go

from dse.cost.clock import latency, unit
from dse.evaluate.report_data import ReportData
from dse.files.figures import ACCENT, BLUE, named, styled


def comparison(data: ReportData) -> go.Figure:
    """A bar a rival, in milliseconds."""
    rivals = [(rival, rival.latency_ms) for rival in data.rivals if rival.latency_ms is not None]
    standing = data.board.clock_standing
    told = [latency(ms, data.mapping.clock_hz, standing) for _, ms in rivals]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=list(range(len(rivals))),
            x=[ms for _, ms in rivals],
            text=[f"{ms:.3f}" for _, ms in rivals],
            textposition="outside",
            cliponaxis=False,
            marker_color=[ACCENT if rival.chosen else BLUE for rival, _ in rivals],
            hovertext=[
                f"{rival.name}: {text}<br>{rival.note}"
                for (rival, _), text in zip(rivals, told, strict=True)
            ],
            hoverinfo="text",
        )
    )
    figure.update_xaxes(title=unit(standing))
    figure.update_yaxes(**named([rival.name for rival, _ in rivals]), autorange="reversed")
    return styled(figure, 90 + 26 * len(rivals))
