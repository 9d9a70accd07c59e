"""``polymap pipeline``: the parallelism search for layer-pipelined accelerators."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.files.writing import write
from dse.pipeline import (
    Granule,
    Method,
    Outcome,
    SearchError,
    Windows,
    batched,
    cost_model,
    device_budget,
    load_device,
    load_network,
    resized,
    run,
)
from dse.pipeline.model.bus_period import bus_period, least_bus
from dse.pipeline.search_report import check_clock, summary, to_json, to_tables
from dse.pipeline.stage_shapes import stage_shapes
from dse.process.progress import Progress
from hw.isa.config import MAX_WEIGHT_PORTS
from hw.isa.errors import FAILURE
from hw.stages.weight_region import WeightBus
from polymap.commands import output
from polymap.commands.options import Calibration

if TYPE_CHECKING:
    from dse.pipeline.from_network import NumberedChain

BITS_OF_TABLES, BITS_OF_MODELS = 16, 8
AXI_BYTES = (8, 16, 32, 64, 128)


def pipeline(
    network: Annotated[
        str,
        typer.Argument(help="alexnet, vgg16, resnet18, a JSON file of layers, or an ONNX model"),
    ],
    device: Annotated[
        str, typer.Option(help="kcu1500, ku060, vx485t, vx690t or arria10gt1150")
    ] = "kcu1500",
    bits: Annotated[
        int | None,
        typer.Option(help="width of weights and activations: 16, or 8, which ONNX models have"),
    ] = None,
    mhz: Annotated[float, typer.Option(help="clock of the reported GOP/s")] = 230.0,
    granularity: Annotated[
        Granule, typer.Option(help="what a segment of the output map is made of")
    ] = Granule.PIXEL,
    per_dsp: Annotated[
        int | None, typer.Option(help="products of one DSP block, 1 or 2; default: its multipliers")
    ] = None,
    dsp: Annotated[
        int | None, typer.Option(min=1, help="DSP blocks instead of the device's")
    ] = None,
    bram: Annotated[
        int | None, typer.Option(min=1, help="BRAM36 or M20K blocks instead of the device's")
    ] = None,
    bram_limit: Annotated[bool, typer.Option(help="respect the memory of the device")] = True,
    method: Annotated[
        Method, typer.Option(help="whose design to report; both searches always run")
    ] = Method.FILTERED,
    alpha: Annotated[float | None, typer.Option(help="window around the baseline cycles")] = None,
    beta: Annotated[float | None, typer.Option(help="window around the DSP allocation")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable result")] = False,
    plot: Annotated[Path | None, typer.Option(help="write the balance of the stages, HTML")] = None,
    out: Annotated[
        Path | None, typer.Option(help="directory for pipeline.json and pipeline.html")
    ] = None,
    calibration: Calibration = None,
    elaborate: Annotated[
        bool, typer.Option("--elaborate", help="write the stages as Verilog to --out")
    ] = False,
    simulate: Annotated[
        int | None,
        typer.Option(min=1, help="run so many drawn images through the stages' RTL"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="height and width of the images instead of the network's"),
    ] = None,
    dense: Annotated[
        bool, typer.Option("--dense", help="stages for the fully connected layers of a table, too")
    ] = False,
    batch: Annotated[
        int,
        typer.Option(
            min=1, help="images that share a reading of the last layers' weights: 4, 9, ..."
        ),
    ] = 1,
    weight_ports: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_WEIGHT_PORTS,
            help="AXI masters that bring the weights; default: the fewest that keep up",
        ),
    ] = None,
    axi_bytes: Annotated[int, typer.Option(help="bytes of a beat of each master")] = 64,
) -> None:
    """Find the parallelisms of a layer-pipelined accelerator with the least slowest stage."""
    check_clock(mhz)
    if simulate is not None and simulate % batch:
        raise SearchError(f"--simulate {simulate}: give whole batches of {batch} images")
    if axi_bytes not in AXI_BYTES:
        raise SearchError(f"--axi-bytes must be one of {AXI_BYTES}, not {axi_bytes!r}")
    if elaborate and out is None:
        raise SearchError("--elaborate needs --out: the directory that the Verilog goes to")
    part = load_device(device)
    part = replace(
        part,
        dsp=part.dsp if dsp is None else dsp,
        ram_units=part.ram_units if bram is None else bram,
    )
    with output.progress() as progress:
        numbered = _model(network, calibration, bits, size, progress)
        progress.stage("searching")
        outcome = run(
            batched(
                resized(load_network(network, dense=dense), size)
                if numbered is None
                else numbered.chain,
                batch,
            ),
            part,
            cost_model(
                part,
                bits=bits or (BITS_OF_TABLES if numbered is None else BITS_OF_MODELS),
                granule=granularity,
                per_dsp=per_dsp,
            ),
            device_budget(part, ram_limit=bram_limit),
            method=method,
            windows=_windows(alpha, beta),
            progress=progress.note,
        )
        result = to_json(outcome, mhz=mhz)
        if numbered is not None:
            result["ends_before"] = numbered.ends_before
        bus, told = _weights(outcome, axi_bytes, weight_ports, mhz, result)
        told += _build(outcome, bus, numbered, elaborate, simulate, out, progress, result)
    _write(outcome, result, plot=plot, out=out)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        output.show(to_tables(outcome))
        typer.echo("\n".join([summary(outcome, mhz=mhz), *told]))
    if (result.get("rtl") or {}).get("mismatches"):
        raise typer.Exit(FAILURE)


def _model(
    network: str,
    calibration: Path | None,
    bits: int | None,
    size: int | None,
    progress: Progress,
) -> NumberedChain | None:
    """The stages of an ONNX model; None for a table of layers."""
    if Path(network).suffix.lower() != ".onnx":
        if calibration is not None:
            raise SearchError("--calibration is for ONNX models; a table of layers has no numbers")
        return None
    if bits not in (None, BITS_OF_MODELS) or size is not None:
        raise SearchError("an ONNX model has 8 bits and its own size; leave --bits and --size out")
    from dse.onnx.reading import load  # onnx takes a while to import
    from dse.pipeline.from_network import chain_of

    progress.stage("importing" if calibration is None else "quantising")
    return chain_of(load(network, calibration).network)


def _weights(
    outcome: Outcome, data_bytes: int, ports: int | None, mhz: float, result: dict[str, Any]
) -> tuple[WeightBus, list[str]]:
    """The masters that bring the weights, and what they take; segments of rows are not built."""
    design = outcome.design
    bus = WeightBus(ports=ports or 1, data_bytes=data_bytes)
    if design.model.granule is not Granule.PIXEL:
        return bus, []
    stages = stage_shapes(design)
    if ports is None:
        bus = least_bus(stages, data_bytes)
    period = bus_period(stages, bus)
    result["weights"] = {
        **asdict(bus),
        "cycles": float(period.weights),
        "period": period.cycles,
        "binds": period.binds,
        "images_per_second": mhz * 1e6 / period.cycles,
    }
    line = (
        f"weights: {bus.ports} master(s) of {bus.data_bytes} bytes, {float(period.weights):,.0f} "
        f"cycles of an image's {period.cycles:,}"
    )
    if period.binds:
        line += f"; the bus binds: {mhz * 1e6 / period.cycles:,.0f} images/s"
    return bus, [line]


def _build(
    outcome: Outcome,
    bus: WeightBus,
    numbered: NumberedChain | None,
    elaborate: bool,
    simulate: int | None,
    out: Path | None,
    progress: Progress,
    result: dict[str, Any],
) -> list[str]:
    """The stages as hardware, as far as it is asked for; what came of it is added to ``result``."""
    told: list[str] = []
    if numbered is not None and numbered.ends_before is not None:
        told.append(f"the stages end before {numbered.ends_before}; the rest is the host's")
    if not elaborate and simulate is None:
        return told
    from polymap.api import built_pipeline  # numpy's and Verilator's part takes a while to import

    progress.stage("elaborating")
    built = built_pipeline.build(outcome.design, bus)
    if elaborate and out is not None:
        progress.stage("checking")
        result["lint"] = built.lint()
        built.save(out, None if numbered is None else numbered.numbers)
        told.append(f"lint: {result['lint']}; {built_pipeline.PIPELINE_VERILOG} in {out}")
    counted = sum(sum(buffers.values()) for buffers in built.blocks().values())
    design, ram = outcome.design, outcome.design.model.ram
    result["elaborated"] = {
        "products": built.products,
        "multipliers": built.multipliers(),
        "ram": {
            "counted": counted,
            "searched": design.ram,
            "bus": built.bus_blocks(),
            "block": ram.name,
        },
        "buffers": built.blocks(),
    }
    told.append(
        f"elaborated: {built.products:,} products a cycle of {built.multipliers():,} multipliers; "
        f"{ram.in_units(counted)} counted from the memories, {ram.in_units(design.ram)} in the "
        f"search, {ram.in_units(built.bus_blocks())} beside them for the weights' way"
    )
    if simulate is not None:
        progress.stage("building the RTL")
        run = built_pipeline.run_images(
            built,
            simulate,
            None if numbered is None else numbered.numbers,
            progress=lambda now, end: progress.share("simulating", now, end),
        )
        result["rtl"] = run.to_json()
        measured = "none of one image" if run.period is None else f"{run.period:,} cycles"
        told.append(
            f"RTL: {run.images} image(s), {run.mismatches} values differ from the golden model; "
            f"period {measured}, predicted {run.predicted:,}; first result after "
            f"{run.latency:,} cycles, predicted {run.predicted_latency:,}"
            + ("" if run.r1 is None else f"; R1 {run.r1:.4f}")
        )
    return told


def _windows(alpha: float | None, beta: float | None) -> Windows | None:
    if alpha is None and beta is None:
        return None
    default = Windows()
    return Windows(
        alpha=default.alpha if alpha is None else alpha,
        beta=default.beta if beta is None else beta,
    )


def _write(
    outcome: Outcome, result: dict[str, Any], *, plot: Path | None, out: Path | None
) -> None:
    if out is None and plot is None:
        return
    from dse.pipeline.plot import write_plot  # its plotting takes a while to import

    if out is not None:
        try:
            write(out / "pipeline.json", json.dumps(result, indent=2) + "\n")
        except OSError as error:
            raise SearchError(f"directory {out}: cannot be written ({error.strerror})") from error
        write_plot(outcome.design, out / "pipeline.html")
    if plot is not None:
        write_plot(outcome.design, plot)
