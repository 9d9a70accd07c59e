"""The floor plan: which columns of the array lie on which die."""

from __future__ import annotations

from itertools import pairwise

import plotly.graph_objects as go

from dse.evaluate.report_data import ReportData
from dse.files.figures import ACCENT, BLUE, GREY, LEGEND, named, styled
from hw.isa.timing import CROSSING


def floor_figure(data: ReportData) -> go.Figure:
    """A row a die, the lowest at the bottom; a bar where columns lie, a line at each border."""
    placed = [(die, columns) for die, columns in enumerate(data.dies) if columns]
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        name="columns of the array",
        y=[die for die, _ in placed],
        base=[columns.start for _, columns in placed],
        x=[len(columns) for _, columns in placed],
        width=0.7,
        marker={"color": BLUE, "line": {"color": GREY, "width": 0.5}},
        hovertext=[
            f"die {die}: {len(columns)} columns of {data.mapping.rows} rows, "
            f"{columns.start} to {columns[-1]}"
            for die, columns in placed
        ],
        hoverinfo="text",
    )
    for (lower, _), (upper, columns) in pairwise(placed):
        figure.add_scatter(
            x=[columns.start] * 2,
            y=[lower, upper],
            mode="lines+markers",
            name="border, a register on either side",
            legendgroup="borders",
            showlegend=lower == placed[0][0],
            line={"color": ACCENT, "width": 2},
            marker={"symbol": "square", "size": 9, "color": ACCENT},
            hovertext=[
                f"die {die}, border before column {columns.start}: 1 of {CROSSING} registers"
                for die in (lower, upper)
            ],
            hoverinfo="text",
        )
    figure.update_layout(legend=LEGEND)
    figure.update_xaxes(title="column of the array", rangemode="tozero")
    dies = [f"die {die}" for die in range(len(data.dies))]
    figure.update_yaxes(**named(dies), range=(-0.6, len(dies) - 0.4), fixedrange=True)
    return styled(figure, 130 + 45 * len(dies))
