"""The array search: latency of every R x C, and the front of latency against DSPs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm
from matplotlib.ticker import ScalarFormatter

from dse.evaluate.report_data import ReportData, SearchedArrays
from polymap.report.drawing import ACCENT, INK, Drawing, decades

Floats = npt.NDArray[np.float64]

_CELLS = 160  # of a side, at most: neighbouring sizes share one where the axis is dense
_WORST = 8.0  # times the least latency: the end of the colour scale
_PALE = 0.45  # opacity of bounds


@dataclass(frozen=True)
class Cells:
    """The fastest array of each cell; edges in rows and columns, cycles NaN where there is none.

    ``solved``: of the arrays that were solved; ``bound``: where none was.
    """

    rows: Floats
    columns: Floats
    solved: Floats
    bound: Floats


def cells(candidates: SearchedArrays) -> Cells:
    """The candidates on logarithmic axes of at most ``_CELLS`` cells a side."""
    arrays, cycles = candidates.arrays, candidates.cycles
    rows, columns = (_edges(int(arrays[:, axis].max())) for axis in (0, 1))
    places = tuple(
        np.searchsorted(edges, arrays[:, axis], side="right") - 1
        for axis, edges in enumerate((rows, columns))
    )

    def least(values: Floats) -> Floats:
        table = np.full((len(rows) - 1, len(columns) - 1), np.inf)
        np.minimum.at(table, places, values)
        return np.where(np.isinf(table), np.nan, table)

    pending = np.isnan(cycles)
    solved = least(np.where(pending, np.inf, cycles))
    bound = least(np.where(pending, candidates.bound, np.inf))
    return Cells(rows, columns, solved, np.where(np.isnan(solved), bound, np.nan))


def _edges(largest: int) -> Floats:
    """Halves between integers, in steps of about equal ratio."""
    starts = np.unique(np.geomspace(1, largest + 1, _CELLS).round())
    edges: Floats = starts - 0.5
    return edges


def heat_map(data: ReportData, candidates: SearchedArrays) -> Drawing:
    """Latency over rows and columns; pale: lower bounds of arrays that were ruled out unsolved."""
    mapping = data.mapping
    drawing = Drawing("latency of all arrays", 6.2, 5)
    axes = drawing.figure.add_subplot(xscale="log", yscale="log", xlabel="columns", ylabel="rows")
    found = cells(candidates)
    scale = 1e3 / mapping.clock_hz
    fastest = float(np.nanmin(found.solved)) * scale
    norm = LogNorm(fastest, fastest * _WORST)
    for values, alpha in ((found.bound, _PALE), (found.solved, 1.0)):
        mesh = axes.pcolormesh(
            found.columns,
            found.rows,
            np.ma.masked_invalid(values * scale),
            norm=norm,
            cmap="viridis_r",
            alpha=alpha,
            rasterized=True,
        )
    bar = drawing.figure.colorbar(mesh, ax=axes, extend="max", label="ms")
    decades(bar.ax.yaxis, ScalarFormatter())
    (best,) = axes.plot(
        [mapping.columns], [mapping.rows], "o", mfc="none", mec=ACCENT, mew=2, markersize=11
    )
    drawing.hint(best, f"{mapping.rows} x {mapping.columns}: {mapping.latency_ms:.4f} ms")
    decades(axes.xaxis)
    decades(axes.yaxis)
    axes.grid(False)
    return drawing


def front(data: ReportData) -> Drawing:
    """The arrays that no other beats in latency and DSPs."""
    drawing = Drawing("latency against DSPs", 6.2, 3.4)
    axes = drawing.figure.add_subplot(xscale="log", yscale="log", xlabel="DSPs", ylabel="ms")
    points = data.pareto
    axes.step(
        [point.dsp for point in points],
        [point.latency_ms for point in points],
        where="post",
        color=INK,
        linewidth=1,
    )
    for point in points:
        (mark,) = axes.plot([point.dsp], [point.latency_ms], "o", color="#0072b2", markersize=3.5)
        drawing.hint(
            mark, f"{point.rows} x {point.columns}: {point.dsp:,} DSPs, {point.latency_ms:.4f} ms"
        )
    mapping = data.mapping
    axes.plot(
        [mapping.dsp], [mapping.latency_ms], "o", mfc="none", mec=ACCENT, mew=2, markersize=11
    )
    decades(axes.xaxis)
    decades(axes.yaxis, ScalarFormatter())
    return drawing
