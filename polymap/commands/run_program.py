"""``polymap run``: a compiled model on a card, or on the simulated overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boards.runtime.target import Target
from polymap import api
from polymap.commands import output
from polymap.commands.options import Json, Out


def run(
    program: Annotated[
        Path, typer.Argument(metavar="PROGRAM", help="folder that `polymap compile` wrote")
    ],
    inputs: Annotated[
        Path, typer.Option("--input", help="images by input name, .npz, batch axis first")
    ],
    on: Annotated[Target, typer.Option(help="where it runs")],
    out: Out,
    device: Annotated[
        str | None,
        typer.Option(help="which card: a number (xrt), /dev/xdma0 (xdma) or a serial port (ulx3s)"),
    ] = None,
    xclbin: Annotated[Path | None, typer.Option(help="the linked design (xrt)")] = None,
    as_json: Json = False,
) -> None:
    """Run a compiled model on images: outputs.npz and run.json."""
    output.folder(out)
    with output.progress() as progress:
        progress.stage("preparing")
        answered = api.run(
            program,
            inputs,
            on,
            device=device,
            xclbin=xclbin,
            progress=lambda done, whole: progress.share("running", done, whole),
        )
        answered.save(out)
    if as_json:
        output.document(answered.to_json())
        return
    _tell(answered)
    typer.echo(f"written to {out}")


def _tell(answered: api.Answered) -> None:
    images = len(answered.seconds)
    measured, foretold = [], [f"{answered.predicted_cycles:,} cycles"]
    if answered.cycles is None:
        measured.append("cycles unknown, for the card's registers cannot be read")
    else:
        measured.append(f"{max(answered.cycles):,} cycles")
    if answered.latency_ms is not None and answered.predicted_ms is not None:
        measured.append(f"{answered.latency_ms:.3f} ms")
    if answered.predicted_ms is not None and answered.clock_hz is not None:
        foretold.append(f"{answered.predicted_ms:.3f} ms at {answered.clock_hz / 1e6:g} MHz")
    typer.echo(f"{images} image(s) on {answered.on}")
    typer.echo(f"an image on the overlay: {', '.join(measured)}; predicted: {', '.join(foretold)}")
    typer.echo(
        f"for the host, with transfers: {1e3 * sum(answered.seconds) / images:.3f} ms an image, "
        f"{answered.images_per_second:,.1f} images/s"
    )
