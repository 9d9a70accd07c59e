"""A bar a layer: where its cycles go, and how busy the array is."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, PercentFormatter

from dse.evaluate.report_data import ReportData
from polymap.report.drawing import INK, OTHER, Drawing, Palette, printable, short

_BUSY = ("compute", "array")
_GREYS = ("#dddddd", "#555555", "#999999", "#bbbbbb", "#777777")


def layer_bars(data: ReportData, palette: Palette) -> Drawing:
    """Cycles by part, computing in the colour of the layer's algorithm, waiting in greys."""
    splits = data.splits
    chosen = {layer.name: layer for layer in data.mapping.layers}
    drawing = Drawing("cycles of the layers", 10, 0.8 + 0.17 * len(splits))
    axes, busy = drawing.figure.subplots(
        1, 2, sharey=True, gridspec_kw={"width_ratios": (4, 1), "wspace": 0.04}
    )
    rows = np.arange(len(splits))
    left = np.zeros(len(splits))
    parts = dict.fromkeys(part for split in splits.values() for part in split)
    waiting = dict(zip((part for part in parts if part not in _BUSY), cycle(_GREYS), strict=False))
    for part in parts:
        cycles = np.array([split.get(part, 0) for split in splits.values()], dtype=float)
        colours = [
            waiting.get(part) or palette.colour(chosen[name].label if name in chosen else None)
            for name in splits
        ]
        shown = np.flatnonzero(cycles)
        bars = axes.barh(
            shown, cycles[shown], left=left[shown], color=[colours[row] for row in shown]
        )
        for bar, row in zip(bars, shown, strict=True):
            name = list(splits)[row]
            what = f" {chosen[name].label}" if name in chosen else ""
            drawing.hint(bar, f"{printable(name)}{what}\n{part}: {cycles[row]:,.0f} cycles")
        left += cycles
    computing = [row for row, name in enumerate(splits) if name in chosen]
    utilisation = [chosen[name].utilisation for name in splits if name in chosen]
    busy.plot(utilisation, computing, "o-", color="#0072b2", markersize=3, linewidth=1)
    busy.axvline(1, color=INK, linewidth=0.8, linestyle=":")
    busy.set_xlim(left=0)
    busy.set_xlabel("utilisation")
    busy.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_yticks(rows, [short(name) for name in splits])
    axes.set_ylim(len(splits) - 0.4, -0.6)
    axes.set_xlabel("cycles")
    axes.xaxis.set_major_formatter(EngFormatter())
    handles = [Patch(color=colour, label=name) for name, colour in palette.entries.items()]
    if set(splits) - set(chosen):
        handles.append(Patch(color=OTHER, label="no convolution"))
    handles += [Patch(color=colour, label=part) for part, colour in waiting.items()]
    axes.legend(handles=handles, ncols=6, loc="lower left", bbox_to_anchor=(0, 1))
    return drawing
