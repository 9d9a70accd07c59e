"""``polymap check``: can the overlay execute a model?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import typer

import polymap
from polymap.commands import output
from polymap.commands.options import Json, Model
from polymap.errors import InputError


def check(model: Model, as_json: Json = False) -> None:
    """Say whether the overlay can execute a model, and list every node that it cannot."""
    report = polymap.check(model)
    if as_json:
        layers = [{"name": name, "kind": kind} for name, kind in report.layers]
        output.document({**asdict(report), "layers": layers, "supported": report.supported})
    else:
        _tell(report)
    if not report.supported:
        names = ", ".join(problem.name for problem in report.problems)
        count = len(report.problems)
        raise InputError(
            f"{model}: {count} unsupported {'node' if count == 1 else 'nodes'}: {names}"
        )


def _tell(report: polymap.Report) -> None:
    for problem in report.problems:
        typer.echo(str(problem))
    if not report.supported:
        return
    kinds = Counter(kind for _, kind in report.layers)
    layers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    typer.echo(f"{report.path}: supported, a {report.kind} model")
    typer.echo(f"  on the overlay: {layers or 'nothing'}")
    for where, nodes in (("before", report.head), ("after", report.tail)):
        if nodes:
            typer.echo(f"  on the host {where} it: {', '.join(nodes)}")
    if report.kind == "float":
        typer.echo(
            "  compile and simulate need --calibration X.npz, typical inputs, to quantise it"
        )
