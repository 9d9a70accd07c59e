"""Figures of plotly that live in one HTML page: their look, and the script that draws them.

A page holds the script once, and each figure as the data it is drawn from.  A figure can be
zoomed, its marks say their numbers, and entries of its legend switch marks on and off.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

GREY = "#808080"  # of lines: seen on white and on black
ACCENT = "#d55e00"
BLUE = "#0072b2"
HUES = (  # Okabe and Ito 2008
    *(BLUE, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", ACCENT, "#f0e442"),
)
STYLE = Markup("""
.plotly-graph-div { margin: .6rem 0; }
.plotly-graph-div text { fill: var(--ink) !important; }
.plotly-graph-div .hoverlayer text { fill: #ffffff !important; }
""")
"""CSS for a page with figures: their letters have its colour ``--ink``, light or dark."""
LEGEND = {"orientation": "h", "y": 1, "yanchor": "bottom", "traceorder": "normal"}
"""A legend above the figure, for figures as wide as the page."""
_CLEAR = "rgba(0,0,0,0)"
_GRID = "rgba(128,128,128,0.25)"
_CONFIG = {
    "displaylogo": False,
    "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    "plotlyServerURL": "",  # nothing is sent anywhere
    "responsive": True,
}
_LONGEST = 36  # letters of a name beside a bar


def styled(figure: go.Figure, height: float) -> go.Figure:
    """The figure in the look of all pages, ``height`` pixels high and as wide as the page."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 20, "r": 20, "t": 40, "b": 20},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        colorway=HUES,
        font={"family": "system-ui, sans-serif", "size": 12},
        hoverlabel={"bgcolor": "#333333", "align": "left", "namelength": 0},
        modebar={"bgcolor": _CLEAR, "color": GREY},
    )
    axes = {"automargin": True, "gridcolor": _GRID, "linecolor": GREY, "zerolinecolor": _GRID}
    figure.update_xaxes(**axes)
    figure.update_yaxes(**axes)
    return figure


def script() -> Markup:
    """What draws the figures of a page; it stands before the first."""
    return Markup(f"<script>{get_plotlyjs()}</script>")


def element(figure: go.Figure, name: str) -> Markup:
    """The figure as an element of a page; no two of a page have the same name."""
    markup: str = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False, div_id=name, config=_CONFIG
    )
    return Markup(markup)


def named(names: Sequence[str]) -> dict[str, object]:
    """An axis of names, which may occur twice: the first is 0, at the top if it is vertical."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [short(name) for name in names],
        "showgrid": False,
        "zeroline": False,
    }


def printable(name: str) -> str:
    """The name without characters that no text may hold."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def label(name: str) -> str:
    """A name that may be anything, as a text of a figure, where ``<b>`` would be markup."""
    return html.escape(printable(name), quote=False)


def short(name: str) -> str:
    """The label of a name that fits beside a bar."""
    name = printable(name)
    return label(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\u2026")


def document(figure: go.Figure, title: str) -> str:
    """A page that holds one figure."""
    return _DOCUMENT.format(
        title=label(title), style=STYLE, script=script(), figure=element(figure, "figure")
    )


_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --paper: #ffffff; --ink: #1b1f24; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #15181c; --ink: #dfe3e8; }} }}
body {{ background: var(--paper); }}
{style}</style>
</head>
<body>
{script}
{figure}
</body>
</html>
"""
