"""``polymap explore``: the best array and mapping of a network on a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import polymap
from polymap.choices import CostModelName, Objective
from polymap.commands import output
from polymap.commands.options import Array, Calibration, Json
from polymap.configuration import parse_array
from polymap.errors import InputError


def explore(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="ONNX model, or a benchmark such as googlenet")
    ],
    board: Annotated[str, typer.Option(help="u200, u250 or kcu1500")],
    cost: Annotated[
        CostModelName, typer.Option("--model", help="whose cycles count: ours, or the paper's")
    ] = CostModelName.OVERLAY,
    objective: Annotated[Objective, typer.Option(help="what is least")] = Objective.LATENCY,
    latency_ms: Annotated[
        float | None, typer.Option(help="bound of --objective dsp; default: 1.1 x the least")
    ] = None,
    array: Array = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help="allow only this one; may be repeated")
    ] = None,
    dataflow: Annotated[
        list[str] | None, typer.Option(help="allow only this one; may be repeated")
    ] = None,
    dense: Annotated[bool, typer.Option(help="include fully connected layers")] = True,
    calibration: Calibration = None,
    out: Annotated[Path | None, typer.Option(help="folder for the results")] = None,
    as_json: Json = False,
) -> None:
    """Find the array and the mapping of least latency, and prove them optimal."""
    if latency_ms is not None and (objective is not Objective.DSP or latency_ms <= 0):
        raise InputError("--latency-ms must be positive, and needs --objective dsp")
    target = polymap.board(board)
    fixed = None if array is None else parse_array(array)
    if out is not None:
        output.folder(out)
    with output.Progress(quiet=as_json) as progress:
        progress.stage("reading")
        network = polymap.workload(model, calibration)
        progress.stage("exploring")
        found = polymap.explore(
            network if dense else network.without_dense(),
            target,
            model=cost,
            objective=objective,
            latency_ms=latency_ms,
            array=fixed,
            restriction=polymap.Restriction(
                algorithms=tuple(algorithm) if algorithm else None,
                dataflows=tuple(dataflow) if dataflow else None,
            ),
        )
        if out is not None:
            found.save(out)
    if as_json:
        output.document(found.to_json())
        return
    _tell(found)
    if out is not None:
        typer.echo(f"written to {out}")


def _tell(found: polymap.Exploration) -> None:
    mapping = found.mapping
    output.table(
        ("layer", "algorithm", "dataflow"),
        ("compute", "transfer", "utilisation", "next best", "costs"),
        [
            (
                layer.name,
                layer.label.algorithm,
                layer.label.dataflow,
                f"{layer.compute:,.0f}",
                f"{layer.transfer:,.0f}",
                f"{layer.utilisation:.1%}",
                "" if layer.alternative is None else str(layer.alternative),
                "" if layer.alternative_extra is None else f"+{layer.alternative_extra:,.0f}",
            )
            for layer in mapping.layers
        ],
    )
    typer.echo(
        f"{mapping.network} on {found.board.name}, {mapping.model}: {mapping.rows} x "
        f"{mapping.columns}, {found.lanes} lane(s), {mapping.dsp:,} DSPs"
    )
    typer.echo(
        f"{mapping.cycles:,.0f} cycles ({mapping.compute:,.0f} compute, {mapping.transfer:,.0f} "
        f"transfer), {mapping.latency_ms:.3f} ms at {mapping.clock_hz / 1e6:.0f} MHz; "
        f"gap to the optimum {found.certified_gap:g}"
    )
    typer.echo(f"mapped in {mapping.seconds:.3f} s, explored in {found.seconds:.2f} s")
