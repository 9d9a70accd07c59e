"""``polymap compile``: from a model to the program of an overlay."""

from __future__ import annotations

import typer

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
    Strict,
)


def compile(
    model: Model,
    out: Out,
    array: Array = None,
    lanes: Lanes = None,
    config: Config = None,
    mapping: Mapping = None,
    calibration: Calibration = None,
    shape: Shape = None,
    batch: Batch = 1,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Compile a model: program.bin, weights.bin and manifest.json."""
    overlay = api.configure(array, lanes, config)
    choices = None if mapping is None else api.read_mapping(mapping)
    shapes = parse_shapes(shape)
    output.folder(out)
    with output.progress() as progress:
        progress.stage("importing" if calibration is None else "quantising")
        imported = api.load(model, calibration, shapes=shapes, strict=strict)
        progress.stage("compiling")
        if config is None:
            overlay = api.fit(imported, overlay, choices, batch)
        bundle = api.bundle(imported, overlay, choices, batch)
        bundle.save(out)
    if as_json:
        manifests = [program.manifest for program in bundle.programs]
        cycles = sum(layer.cycles for manifest in manifests for layer in manifest.layers)
        said = [manifest.to_json() for manifest in manifests]
        whole = said[0] if len(said) == 1 else {"segments": said}
        output.document({"out": str(out), "cycles": cycles, **whole})
    else:
        for number, program in enumerate(bundle.programs, 1):
            if len(bundle.programs) > 1:
                typer.echo(f"segment {number} of {len(bundle.programs)}")
            _tell(program, overlay)
        typer.echo(f"written to {out}")


def _tell(program: api.Program, overlay: api.OverlayConfig) -> None:
    manifest = program.manifest
    output.table(
        ("layer", "kind", "algorithm", "tile", "dataflow"),
        ("MAC", "array cycles"),
        [
            (
                *(la.name, la.kind, la.algorithm, str(la.tile or ""), la.dataflow),
                *(f"{la.macs:,}", f"{la.cycles:,}"),
            )
            for la in manifest.layers
        ],
    )
    several = f"{manifest.images} images a run, " if manifest.images > 1 else ""
    typer.echo(
        f"{several}{manifest.instructions} instructions, "
        f"{manifest.weights_bytes:,} bytes of weights, "
        f"{manifest.tensor_bytes_used:,} of {overlay.tensor_bytes:,} bytes of tensor memory, "
        f"configuration {overlay.hash:#010x}"
    )
