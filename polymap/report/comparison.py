"""The chosen mapping beside what it could have been."""

from __future__ import annotations

from dse.evaluate.report_data import ReportData
from polymap.report.drawing import ACCENT, Drawing


def comparison(data: ReportData) -> Drawing:
    """A bar a rival, in milliseconds."""
    rivals = [(rival, rival.latency_ms) for rival in data.rivals if rival.latency_ms is not None]
    drawing = Drawing("latency against other mappings", 8, 0.6 + 0.26 * len(rivals))
    axes = drawing.figure.add_subplot(xlabel="ms")
    bars = axes.barh(
        range(len(rivals)),
        [latency for _, latency in rivals],
        color=[ACCENT if rival.chosen else "#0072b2" for rival, _ in rivals],
        height=0.7,
    )
    axes.bar_label(bars, [f"{latency:.3f}" for _, latency in rivals], padding=3)
    for bar, (rival, latency) in zip(bars, rivals, strict=True):
        drawing.hint(bar, f"{rival.name}: {latency:.4f} ms\n{rival.note}")
    axes.set_yticks(range(len(rivals)), [rival.name for rival, _ in rivals])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return drawing
