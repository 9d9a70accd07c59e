"""``polymap check``: can the overlay execute a model?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dse.onnx.findings import groups, total
from hw.isa.errors import InputError
from polymap import api
from polymap.api.command_line import parse_shapes
from polymap.commands import output
from polymap.commands.options import Json, Model, Shape, Strict


def check(
    model: Model,
    every: Annotated[
        bool, typer.Option("--all", help="list every node, not only the first")
    ] = False,
    shape: Shape = None,
    fix: Annotated[
        Path | None,
        typer.Option(metavar="OUT.onnx", help="write the model with these shapes, of one image"),
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Say whether the overlay can execute a model, and what to do about the rest."""
    shapes = parse_shapes(shape)
    report = api.check(model, shapes=shapes, strict=strict)
    if fix is not None:
        shapes = dict(api.fix(model, shapes, fix))
    if as_json:
        layers = [{"name": name, "kind": kind} for name, kind in report.layers]
        ends = {"head": report.head, "middle": report.middle, "tail": report.tail}
        data = {**asdict(report), "layers": layers, **ends, "nodes": report.nodes}
        document = {**data, "segments": report.segments, "supported": report.supported}
        output.document(document)
    elif report.supported:
        _tell(report, every)
    else:
        _explain(report, every)
    if fix is not None and not as_json:
        said = "; ".join(f"{name} {','.join(map(str, axes))}" for name, axes in shapes.items())
        typer.echo(f"written to {fix}: {said}")
    if not report.supported:
        counts = ", ".join(f"{len(one.problems)} {one.operator}" for one in groups(report.problems))
        raise InputError(
            f"{model}: {total(report.problems)} of {report.nodes}: {counts}"
            + ("" if every or as_json else "; --all lists them")
        )


def _tell_crossings(report: api.Report, every: bool) -> None:
    """What the host runs between two segments of the overlay, why, and what it costs."""
    for number, crossing in enumerate(report.crossings, 1):
        if every:
            nodes = ", ".join(name for name, _ in crossing.nodes)
        else:
            kinds = Counter(operator for _, operator in crossing.nodes)
            nodes = ", ".join(f"{count} {operator}" for operator, count in kinds.items())
        typer.echo(
            f"  on the host between segments {number} and {number + 1}: {nodes}; "
            f"{crossing.stored:,} bytes stored, {crossing.loaded:,} loaded"
        )
    refused = [problem for crossing in report.crossings for problem in crossing.refused]
    for line in refused if every else groups(refused):
        typer.echo(f"    {line}")


def _explain(report: api.Report, every: bool) -> None:
    """What cannot be executed, by operator or node by node."""
    for line in report.problems if every else groups(report.problems):
        typer.echo(str(line))
    unjudged = report.places["unjudged"]
    if unjudged:
        names = f"first {unjudged[0]}" if len(unjudged) > 1 and not every else ", ".join(unjudged)
        typer.echo(
            f"not judged, because the shapes before them are not known: {len(unjudged)}, {names}"
        )


def _tell(report: api.Report, every: bool) -> None:
    """What runs where."""
    kinds = Counter(kind for _, kind in report.layers)
    layers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    overlay, constant = (len(report.places[place]) for place in ("overlay", "constant"))
    typer.echo(f"{report.path}: supported, a {report.kind} model")
    typer.echo(f"  on the overlay: {layers or 'nothing'}")
    for where, nodes in (("before", report.head), ("after", report.tail)):
        if nodes:
            typer.echo(f"  on the host {where} it: {', '.join(nodes)}")
    _tell_crossings(report, every)
    host = sum(len(nodes) for nodes in (report.head, report.middle, report.tail))
    typer.echo(
        f"  of {report.nodes} nodes: {overlay} on the overlay, {constant} constant,"
        f" {host} on the host"
    )
    if report.left_in_float:
        typer.echo(
            f"  quantised on the spot, since the model leaves them in float:"
            f" {', '.join(report.left_in_float)}"
            + ("" if report.open_inputs else "; --calibration X.npz makes them finer")
        )
    if report.kind == "float" or report.open_inputs:
        what = ", ".join(report.open_inputs) or "it"
        typer.echo(
            f"  compile and simulate need --calibration X.npz, typical inputs, to quantise {what}"
        )
