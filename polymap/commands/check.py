"""``polymap check``: can the overlay execute a model?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from dse.onnx.findings import groups, total
from hw.isa.errors import InputError
from polymap import api
from polymap.commands import output
from polymap.commands.options import Json, Model


def check(
    model: Model,
    every: Annotated[
        bool, typer.Option("--all", help="list every node, not only the first")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether the overlay can execute a model, and what to do about the rest."""
    report = api.check(model)
    if as_json:
        layers = [{"name": name, "kind": kind} for name, kind in report.layers]
        ends = {"head": report.head, "tail": report.tail}
        data = {**asdict(report), "layers": layers, **ends, "nodes": report.nodes}
        output.document({**data, "supported": report.supported})
    elif report.supported:
        _tell(report)
    else:
        _explain(report, every)
    if not report.supported:
        counts = ", ".join(f"{len(one.problems)} {one.operator}" for one in groups(report.problems))
        raise InputError(
            f"{model}: {total(report.problems)} of {report.nodes}: {counts}"
            + ("" if every or as_json else "; --all lists them")
        )


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


def _tell(report: api.Report) -> None:
    """What runs where."""
    kinds = Counter(kind for _, kind in report.layers)
    layers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    overlay, constant = (len(report.places[place]) for place in ("overlay", "constant"))
    typer.echo(f"{report.path}: supported, a {report.kind} model")
    typer.echo(f"  on the overlay: {layers or 'nothing'}")
    for where, nodes in (("before", report.head), ("after", report.tail)):
        if nodes:
            typer.echo(f"  on the host {where} it: {', '.join(nodes)}")
    typer.echo(
        f"  of {report.nodes} nodes: {overlay} on the overlay, {constant} constant,"
        f" {len(report.head) + len(report.tail)} on the host"
    )
    if report.left_in_float:
        typer.echo(
            f"  quantised on the spot, since the model leaves them in float:"
            f" {', '.join(report.left_in_float)}; --calibration X.npz makes them finer"
        )
    if report.kind == "float":
        typer.echo(
            "  compile and simulate need --calibration X.npz, typical inputs, to quantise it"
        )
