"""The balance of a pipeline's stages as a self-contained HTML page."""

from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dse.files.figures import GREY, document, label, styled
from dse.files.writing import write
from dse.pipeline.design import Design
from dse.pipeline.model.search_error import SearchError


def balance_figure(design: Design) -> go.Figure:
    """Cycles, DSP blocks against the fair share, and memory by buffer, for every stage."""
    names = [label(stage.name) for stage in design.stages]
    ram = design.model.ram
    figure = make_subplots(
        rows=3,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.06,
        subplot_titles=("Cycles for one image", "DSP blocks", f"Memory, {ram.unit}"),
    )
    cycles = [stage.cycles for stage in design.stages]
    figure.add_bar(x=names, y=cycles, name="cycles", row=1, col=1)
    figure.add_hline(y=design.cycles, line={"color": GREY, "dash": "dash"}, row=1, col=1)
    dsp = [stage.dsp for stage in design.stages]
    figure.add_bar(x=names, y=dsp, name="DSP", row=2, col=1)
    share = [stage.macs / design.network.macs * design.device.dsp for stage in design.stages]
    figure.add_scatter(x=names, y=share, name="share of work", mode="markers", row=2, col=1)
    for buffer in ("input", "weight", "output", "pool"):
        blocks = [getattr(stage, f"{buffer}_ram") for stage in design.stages]
        units = [count / ram.blocks_per_unit for count in blocks]
        figure.add_bar(x=names, y=units, name=f"{buffer} buffer", row=3, col=1)
    figure.update_layout(
        barmode="stack",
        legend_traceorder="normal",
        title={"text": label(_title(design)), "x": 0.02},
    )
    figure.update_xaxes(type="category", showgrid=False)
    styled(figure, 900)
    return figure.update_layout(margin_t=90)


def _title(design: Design) -> str:
    return (
        f"{design.network.name} on {design.device.title}: R1 {design.r1:.3f}, "
        f"R2 {design.r2:.3f}, {design.cycles:,} cycles an image"
    )


def balance_page(design: Design) -> str:
    """The figure as a page."""
    return document(balance_figure(design), _title(design))


def write_plot(design: Design, path: Path) -> None:
    """Write the figure to ``path``.

    Raises
    ------
    SearchError
        When the file cannot be written.
    """
    try:
        write(path, balance_page(design))
    except OSError as error:
        raise SearchError(f"plot {path}: cannot be written ({error.strerror})") from error
