"""Overlay and layer pipeline of the same layers on the same card, as a page."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dse.cost.clock import clock, unit
from dse.evaluate.styles import Comparison
from dse.files.figures import ACCENT, BLUE, document, styled


def styles_figure(compared: Comparison) -> go.Figure:
    """Latency, images a second, DSP slices and block RAMs, a bar for each style."""
    card, styles = compared.card, compared.styles
    panels: tuple[tuple[str, list[float]], ...] = (
        (f"Latency, {unit(card.clock_standing)}", [compared.latency_ms(one) for one in styles]),
        ("Images/s", [compared.images_per_second(one) for one in styles]),
        (f"DSP of {card.dsp:,}", [one.dsp for one in styles]),
        (f"BRAM36 of {card.budget['bram36']:,}", [one.bram36 for one in styles]),
    )
    names = [f"{one.name}, about" if one.latency_is_estimate else one.name for one in styles]
    figure = make_subplots(rows=1, cols=len(panels), subplot_titles=[title for title, _ in panels])
    for column, (_, values) in enumerate(panels, start=1):
        labels = names if column == 1 else [one.name for one in styles]
        figure.add_bar(
            x=labels,
            y=values,
            text=[f"{value:,.4g}" for value in values],
            marker_color=[BLUE, ACCENT][: len(styles)],
            showlegend=False,
            row=1,
            col=column,
        )
    styled(figure, 420)
    return figure.update_layout(margin_t=60)


def page(compared: Comparison) -> str:
    """The figure as a page."""
    told = clock(compared.clock_hz, compared.card.clock_standing)
    return document(
        styles_figure(compared),
        f"{compared.network}, {compared.stages} convolutions on {compared.card.name}, {told}",
    )
