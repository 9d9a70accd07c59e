"""The report: one HTML file with figures and tables; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dse.evaluate.report_data import ReportData
from dse.files.figures import STYLE, element, printable, script
from polymap.report import tables
from polymap.report.array_figures import front, heat_map
from polymap.report.comparison import comparison
from polymap.report.flight_figure import flight_figure
from polymap.report.floor_figure import floor_figure
from polymap.report.gantt import gantt
from polymap.report.layer_figure import layer_bars
from polymap.report.palette import Palette
from polymap.report.roofline import roofline
from polymap.report.tables import Table
from polymap.report.waterfall_figure import waterfall_figure


@dataclass(frozen=True)
class Section:
    """A heading, what is to be seen, and the table behind it, folded away if ``folded``."""

    title: str
    caption: str
    figure: Markup | None = None
    table: Table | None = None
    folded: bool = True


def report_page(data: ReportData) -> str:
    """The report, HTML."""
    environment = Environment(
        loader=PackageLoader("polymap.report", "."), autoescape=True, undefined=StrictUndefined
    )
    shown = _performance(data) if data.mapping.layers else ()
    sections = (*shown, *_hardware(data))
    return environment.get_template("page.html").render(
        title=f"{printable(data.mapping.network)} on {data.board.name}",
        facts=tables.facts(data),
        style=STYLE,
        script=script(),
        sections=sections,
    )


def _performance(data: ReportData) -> Iterator[Section]:
    palette = Palette(layer.label for layer in data.mapping.layers)
    exact = data.timeline.exact
    if data.waterfall:
        fallen = element(waterfall_figure(data), "waterfall")
        yield Section("Waterfall", _WATERFALL, fallen, tables.waterfall(data))
        yield Section("Waterfall by layer", _BY_LAYER, table=tables.waterfall_by_layer(data))
    yield Section(
        "Comparison", _COMPARED, element(comparison(data), "comparison"), tables.rivals(data)
    )
    yield Section(
        "Layers",
        _EXACT_LAYERS if exact else _CLOSED_LAYERS,
        element(layer_bars(data, palette), "layers"),
        tables.layers(data),
    )
    traffic = _EXACT_TRAFFIC if exact else _CLOSED_TRAFFIC
    yield Section("Roofline", _ROOFLINE + traffic, element(roofline(data, palette), "roofline"))
    engines = _EXACT_ENGINES if exact else _CLOSED_ENGINES
    yield Section("Engines", engines, element(gantt(data, palette), "engines"))
    if data.candidates is not None:
        solved = int(np.count_nonzero(~np.isnan(data.candidates.cycles)))
        caption = _ARRAYS.format(candidates=len(data.candidates.arrays), solved=solved)
        yield Section("Arrays", caption, element(heat_map(data, data.candidates), "arrays"))
    if data.pareto:
        yield Section(
            "Latency against DSPs", _FRONT, element(front(data), "front"), tables.pareto(data)
        )
    if len(data.flights) > 1:
        flown = flight_figure(data)
        yield Section("Images in flight", _FLIGHTS, element(flown, "flights"), tables.flights(data))


def _hardware(data: ReportData) -> Iterator[Section]:
    yield Section("Configuration", _PARAMETERS, table=tables.configuration(data), folded=False)
    if data.dies:
        planned = element(floor_figure(data), "floor")
        yield Section("Floor plan", _FLOOR, planned, tables.floor(data))
    if data.resources:
        yield Section("Resources", _RESOURCES, table=tables.resources(data), folded=False)


_COMPARED = (
    "The same network on the same array at the same clock, each the optimal mapping under its "
    "restriction."
)
_WATERFALL = (
    "Where the cycles of the compiled program go, by the exact model: what its multiply-"
    "accumulates take if every multiplier has one in every cycle, and what comes on top of that. "
    "The parts make up the total."
)
_BY_LAYER = (
    "The same of every layer that has waves: its cycles are those from the last wave of all layers "
    "before to its own last one. Added: what comes on top of its multiply-accumulates."
)
_UTILISATION = (
    "Utilisation counts the multiply-accumulates of direct convolution: a fast algorithm may "
    "exceed 100 %."
)
_CLOSED_LAYERS = f"Cycles of each layer by the cost model, in closed form. {_UTILISATION}"
_EXACT_LAYERS = (
    "Cycles of each layer of the compiled program by the exact model; layers that overlap add up "
    "to more than the total. In the table, cycles and utilisation are the closed form's. "
    f"{_UTILISATION}"
)
_ROOFLINE = (
    "One mark a layer, its area in proportion to the layer's cycles. The lines are what the array "
    "and the memory allow. Traffic is "
)
_EXACT_TRAFFIC = "what the compiled program loads, stores and streams."
_CLOSED_TRAFFIC = (
    "the least there can be: weights once, the network's input and output, and what transfers move."
)
_EXACT_ENGINES = (
    "Every instruction of the compiled program from start to retirement, exact. Those of an engine "
    "overlap where its pipeline holds several. The bar below chooses the span that is seen."
)
_CLOSED_ENGINES = (
    "The layers one after the other, as the cost model adds them up in closed form: the network "
    "was not compiled, so that what overlaps is not known."
)
_ARRAYS = (
    "The optimal latency of {candidates:,} arrays, of which {solved:,} were solved; the circle is "
    "the chosen one. Pale: only a lower bound is known, which rules the array out. Blank: no such "
    "array fits. Of several kinds of hardware, and of a cell's arrays where the axes are dense, "
    "the fastest is shown."
)
_FRONT = "The arrays that no other beats in both; the circle is the chosen one."
_FLIGHTS = (
    "Latency and images a second by the exact model, by overlays on the card and images of a run; "
    "all images of a run are there when it ends. The line joins what nothing beats in both. "
    "Overlays on one card share its resources and memory channels equally; the host's time is not "
    "counted."
)
_PARAMETERS = "Parameters of the hardware."
_FLOOR = (
    "On which die of the device each column of the array is to lie, of one overlay alone on the "
    "card; die 0 is the lowest. Whatever crosses a border between dies has a register on either "
    "side of it. It is what the placer is told, not what it has done."
)
_RESOURCES = "Estimates by block (DSP slices are exact), against what the board has."
