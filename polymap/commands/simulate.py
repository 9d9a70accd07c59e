"""``polymap simulate``: a model's answers from the overlay's RTL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dse.explore.objectives import MemoryModel
from hw.isa.errors import FAILURE
from polymap import api
from polymap.api.command_line import parse_shapes
from polymap.commands import output
from polymap.commands.options import (
    Array,
    Batch,
    Calibration,
    Config,
    Json,
    Lanes,
    Mapping,
    Model,
    Out,
    Shape,
)


def simulate(
    model: Model,
    inputs: Annotated[
        Path, typer.Option("--input", help="images by input name, .npz, batch axis first")
    ],
    out: Out,
    array: Array = None,
    lanes: Lanes = None,
    config: Config = None,
    mapping: Mapping = None,
    calibration: Calibration = None,
    shape: Shape = None,
    batch: Batch = 1,
    memory: Annotated[MemoryModel, typer.Option(help="timing of the memory")] = MemoryModel.IDEAL,
    stall: Annotated[
        int, typer.Option(min=0, max=99, help="percent of cycles in which a bus channel rests")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="of the stalls")] = 1,
    as_json: Json = False,
) -> None:
    """Run a model on images in RTL: outputs.npz and result.json."""
    overlay = api.configure(array, lanes, config)
    choices = None if mapping is None else api.read_mapping(mapping)
    timing = api.DDR if memory is MemoryModel.DDR else api.IDEAL
    shapes = parse_shapes(shape)
    output.folder(out)
    with output.progress() as progress:
        progress.stage("importing" if calibration is None else "quantising")
        imported = api.load(model, calibration, shapes=shapes)
        images = api.read_images(inputs, imported)
        if config is None:
            overlay = api.fit(imported, overlay, choices, batch)
        progress.stage("building the RTL")
        result = api.simulate(
            imported,
            images,
            overlay,
            mapping=choices,
            timing=replace(timing, stall=stall, seed=seed),
            batch=batch,
            progress=lambda done, total: progress.share("simulating", done, total),
        )
        result.save(out)
    if as_json:
        output.document(result.to_json())
    else:
        _tell(result)
        typer.echo(f"written to {out}")
    if result.mismatches:
        typer.echo(
            f"polymap simulate: the RTL differs from the golden model in {result.mismatches} bytes "
            f"of {', '.join(result.mismatched_tensors)}: report this as a bug",
            err=True,
        )
        raise typer.Exit(FAILURE)


def _tell(result: api.Result) -> None:
    output.table(
        ("layer", "algorithm", "tile", "dataflow"),
        ("cycles", "predicted", "utilisation"),
        [
            (
                layer.name,
                layer.algorithm or layer.kind,
                str(layer.tile or ""),
                layer.dataflow,
                f"{layer.cycles:,}",
                f"{layer.predicted_cycles:,}",
                f"{layer.utilisation:.1%}" if layer.macs else "",
            )
            for layer in result.layers
        ],
    )
    each = "each" if result.batch == 1 else f"a run of {result.batch}"
    typer.echo(
        f"{result.images} image(s), {result.cycles:,} cycles {each}, {result.predicted_cycles:,} "
        f"predicted, utilisation {result.utilisation:.1%}, {result.mismatches} mismatches in "
        f"{len(result.compared_tensors)} tensors"
    )
    typer.echo(
        f"latency {result.cycles:,} cycles; {result.images_per_megacycle:,.3f} images a second for "
        "each MHz of clock"
    )
