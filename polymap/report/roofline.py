"""The roofline: what array and memory allow, and where the layers are.

Williams, Waterman, Patterson, CACM 52(4), 2009; operations are multiply-accumulates.
"""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import EngFormatter, StrMethodFormatter

from dse.evaluate.report_data import ReportData
from polymap.report.drawing import GREY, INK, Drawing, Palette, decades, printable

_LARGEST = 16  # points, diameter of the mark of the longest layer
_STYLES = ("-", "--", ":")


def intensity(data: ReportData, name: str, macs: int) -> float:
    """MAC per byte of DRAM of a layer."""
    return macs / data.traffic[name]


def roofline(data: ReportData, palette: Palette) -> Drawing:
    """One mark a layer, its area in proportion to the layer's cycles."""
    mapping = data.mapping
    drawing = Drawing("roofline", 8, 4.2)
    axes = drawing.figure.add_subplot(
        xscale="log", yscale="log", xlabel="MAC per byte of DRAM", ylabel="MAC/s"
    )
    cycles = {layer.name: sum(data.splits[layer.name].values()) for layer in mapping.layers}
    longest = max(cycles.values())
    marked = [intensity(data, layer.name, layer.macs) for layer in mapping.layers]
    knees = [peak.rate / memory.rate for peak in data.peaks for memory in data.memories]
    span = np.geomspace(min(*marked, *knees) / 2, max(*marked, *knees) * 2, 2)
    highest = max(peak.rate for peak in data.peaks)
    rates = EngFormatter(unit="MAC/s", places=2)
    for peak, line in zip(data.peaks, _STYLES, strict=False):
        axes.plot(span, np.full(2, peak.rate), line, color=INK, linewidth=1)
        axes.annotate(
            f"{peak.name}, {rates(peak.rate)}",
            (span[1], peak.rate),
            ha="right",
            va="bottom",
        )
    for memory, line in zip(data.memories, _STYLES, strict=False):
        reach = np.array([span[0], highest / memory.rate])
        label = f"{memory.name}, {memory.rate / 1e9:.1f} GB/s"
        axes.plot(reach, reach * memory.rate, line, color=GREY, linewidth=1.5, label=label)
    for layer, x in zip(mapping.layers, marked, strict=True):
        rate = layer.macs * mapping.clock_hz / cycles[layer.name]
        (mark,) = axes.plot(
            [x],
            [rate],
            "o",
            color=palette.colour(layer.label),
            markersize=_LARGEST * np.sqrt(cycles[layer.name] / longest),
            markeredgecolor=INK,
            markeredgewidth=0.4,
            alpha=0.85,
        )
        drawing.hint(
            mark,
            f"{printable(layer.name)}: {layer.label}\n{x:,.1f} MAC/byte, {rate / 1e9:,.1f} GMAC/s, "
            f"{cycles[layer.name]:,.0f} cycles",
        )
    decades(axes.xaxis, StrMethodFormatter("{x:g}"))
    decades(axes.yaxis)
    for name, colour in palette.entries.items():
        axes.plot([], [], "o", color=colour, label=name)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return drawing
