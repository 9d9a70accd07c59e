"""The roofline: what array and memory allow, and where the layers are.

Williams, Waterman, Patterson, CACM 52(4), 2009; operations are multiply-accumulates.
"""

from __future__ import annotations

from math import sqrt

import plotly.graph_objects as go

from dse.evaluate.report_data import ReportData
from dse.files.figures import GREY, label, styled
from dse.mapping import LayerChoice
from polymap.report.palette import Palette

_LARGEST = 26  # pixels, diameter of the mark of the longest layer
_STYLES = ("solid", "dash", "dot")


def intensity(data: ReportData, name: str, macs: int) -> float:
    """MAC per byte of DRAM of a layer."""
    return macs / data.traffic[name]


def roofline(data: ReportData, palette: Palette) -> go.Figure:
    """One mark a layer, its area in proportion to the layer's cycles."""
    figure = go.Figure()
    _roofs(figure, data)
    _marks(figure, data, palette)
    figure.update_xaxes(type="log", title="MAC per byte of DRAM", dtick="D2")
    figure.update_yaxes(type="log", title="MAC/s", dtick="D2", exponentformat="SI")
    return styled(figure, 480)


def _roofs(figure: go.Figure, data: ReportData) -> None:
    places = [intensity(data, layer.name, layer.macs) for layer in data.mapping.layers]
    places += [peak.rate / memory.rate for peak in data.peaks for memory in data.memories]
    start, end = min(places) / 2, max(places) * 2
    highest = max(peak.rate for peak in data.peaks)
    for peak, dash in zip(data.peaks, _STYLES, strict=False):
        name = f"{peak.name}, {peak.rate / 1e12:.2f} TMAC/s"
        line = {"color": GREY, "width": 1.5, "dash": dash}
        figure.add_scatter(x=[start, end], y=[peak.rate] * 2, mode="lines", line=line, name=name)
    for memory, dash in zip(data.memories, _STYLES, strict=False):
        reach = [start, highest / memory.rate]
        figure.add_scatter(
            x=reach,
            y=[place * memory.rate for place in reach],
            mode="lines",
            line={"color": GREY, "width": 3, "dash": dash},
            name=f"{memory.name}, {memory.rate / 1e9:.1f} GB/s",
        )


def _marks(figure: go.Figure, data: ReportData, palette: Palette) -> None:
    cycles = {layer.name: sum(data.splits[layer.name].values()) for layer in data.mapping.layers}
    longest = max(cycles.values())
    for name, colour in palette.entries.items():
        own = [layer for layer in data.mapping.layers if str(layer.label) == name]
        figure.add_scatter(
            x=[intensity(data, layer.name, layer.macs) for layer in own],
            y=[layer.macs * data.mapping.clock_hz / cycles[layer.name] for layer in own],
            mode="markers",
            name=name,
            marker={
                "color": colour,
                "size": [_LARGEST * sqrt(cycles[layer.name] / longest) for layer in own],
                "opacity": 0.85,
                "line": {"color": GREY, "width": 1},
            },
            hovertext=[_hint(data, layer, cycles[layer.name]) for layer in own],
            hoverinfo="text",
        )


def _hint(data: ReportData, layer: LayerChoice, cycles: float) -> str:
    rate = layer.macs * data.mapping.clock_hz / cycles / 1e9
    place = intensity(data, layer.name, layer.macs)
    return (
        f"{label(layer.name)}: {layer.label}<br>"
        f"{place:,.1f} MAC/byte, {rate:,.1f} GMAC/s, {cycles:,.0f} cycles"
    )
