"""The engines over time."""

from __future__ import annotations

from matplotlib.ticker import EngFormatter

from dse.evaluate.report_data import ReportData
from hw.isa import Opcode
from polymap.report.drawing import INK, Drawing, Palette, printable

_ORDER = tuple(
    opcode.name for opcode in (Opcode.LOAD, Opcode.WEIGHTS, Opcode.CONV, Opcode.POOL, Opcode.STORE)
)


def gantt(data: ReportData, palette: Palette) -> Drawing:
    """A row an engine, a bar an instruction."""
    events = data.timeline.events
    present = {event.engine for event in events}
    engines = [name for name in _ORDER if name in present]
    engines += sorted(present - set(engines))
    labels = data.mapping.choice
    drawing = Drawing("engines over time", 10, 0.6 + 0.45 * len(engines))
    axes = drawing.figure.add_subplot(xlabel="cycles", xlim=(0, data.timeline.total))
    for row, engine in enumerate(engines):
        own = [event for event in events if event.engine == engine]
        bars = axes.barh(
            [row] * len(own),
            [event.end - event.start for event in own],
            left=[event.start for event in own],
            height=0.7,
            edgecolor=INK,
            linewidth=0.15,
            color=[palette.colour(labels.get(event.layer)) for event in own],
        )
        for bar, event in zip(bars, own, strict=True):
            drawing.hint(
                bar,
                f"{engine} {printable(event.layer)}\n{event.start:,.0f} to {event.end:,.0f}, "
                f"{event.end - event.start:,.0f} cycles",
            )
    axes.set_yticks(range(len(engines)), engines)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(EngFormatter())
    return drawing
