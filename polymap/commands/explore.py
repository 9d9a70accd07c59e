"""``polymap explore``: the best overlay and mapping of a network on a board."""

from __future__ import annotations

from functools import partial
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from dse.cost.clock import latency, unit
from dse.evaluate.styles import leading_part
from dse.explore.card import Card
from dse.explore.executors import ExecutorName, executor
from dse.explore.flights import unbeaten
from dse.explore.objectives import CostModelName, Objective, Winograd
from dse.network.prune import without_dense
from hw.isa.errors import InputError
from polymap import api
from polymap.api.command_line import parse_array, parse_shapes
from polymap.commands import output
from polymap.commands.options import (
    BOARDS,
    Array,
    Bare,
    Batch,
    Calibration,
    Json,
    Lanes,
    Shape,
    Strict,
)
from polymap.commands.pipelined import StyleName, pipelined, save_both, tell_both
from polymap.commands.place import place


def explore(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="ONNX model, or a benchmark such as googlenet")
    ],
    board: Annotated[
        str | None, typer.Option(help=f"{BOARDS}; none: --array on any device")
    ] = None,
    cost: Annotated[
        CostModelName, typer.Option("--model", help="whose cycles count: ours, or the paper's")
    ] = CostModelName.OVERLAY,
    objective: Annotated[Objective, typer.Option(help="what is best")] = Objective.LATENCY,
    style: Annotated[
        StyleName, typer.Option(help="one overlay for all layers, a stage for each, or both")
    ] = StyleName.OVERLAY,
    batch: Batch = 1,
    overlays: Annotated[
        int, typer.Option(min=1, metavar="N", help="up to so many equal overlays on the card")
    ] = 1,
    latency_ms: Annotated[
        float | None, typer.Option(help="bound of --objective dsp; default: 1.1 x the least")
    ] = None,
    array: Array = None,
    lanes: Lanes = None,
    winograd: Annotated[
        Winograd | None, typer.Option(help="transforms of the hardware; default: the best")
    ] = None,
    dsp: Annotated[int | None, typer.Option(min=1, help="DSP slices instead of all")] = None,
    clock: Annotated[
        float | None, typer.Option(metavar="MHz", min=1, help="instead of the board's")
    ] = None,
    axi_bytes: Annotated[
        int | None,
        typer.Option(min=4, help="width of a bus; default: the widest a memory channel serves"),
    ] = None,
    weight_ports: Annotated[
        int | None,
        typer.Option(min=1, help="buses for weights; default: one for each memory channel"),
    ] = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help="allow only this one; may be repeated")
    ] = None,
    dataflow: Annotated[
        list[str] | None, typer.Option(help="allow only this one; may be repeated")
    ] = None,
    fold: Annotated[bool, typer.Option(help="pixels may become channels")] = True,
    merge: Annotated[bool, typer.Option(help="sibling 1x1 convolutions become one")] = True,
    apart: Annotated[bool, typer.Option(help="results may be copied where it pays")] = True,
    space_to_depth: Annotated[bool, typer.Option(help="strided first layers read blocks")] = True,
    pool_parts: Annotated[bool, typer.Option(help="poolings go before concatenations")] = True,
    concat_in_place: Annotated[bool, typer.Option(help="else concatenations are copied")] = True,
    dense: Annotated[bool, typer.Option(help="include fully connected layers")] = True,
    certify: Annotated[bool, typer.Option(help="let HiGHS confirm the mapping")] = True,
    exact: Annotated[
        bool, typer.Option(help="compile, and predict the cycles of the whole program")
    ] = False,
    engine: Annotated[
        ExecutorName | None,
        typer.Option("--executor", help="what runs the search; default: a process per core"),
    ] = None,
    calibration: Calibration = None,
    shape: Shape = None,
    strict: Strict = False,
    out: Annotated[Path | None, typer.Option(help="folder for the results")] = None,
    bare: Bare = False,
    as_json: Json = False,
) -> None:
    """Find the overlay and the mapping of least latency, and prove them optimal."""
    _refuse_programs(batch, overlays, exact, objective, cost, board)
    if latency_ms is not None and not (objective is Objective.DSP and 0 < latency_ms < inf):
        raise InputError("--latency-ms must be a positive number, and needs --objective dsp")
    if style is not StyleName.OVERLAY:
        alone = style is StyleName.PIPELINE
        given = {
            "--model": cost is not CostModelName.OVERLAY,
            "--objective": objective is not Objective.LATENCY,
            "--batch": batch > 1,
            "--overlays": overlays > 1,
            "--array": alone and array,
            "--lanes": alone and lanes,
            "--winograd": alone and winograd,
            "--axi-bytes": alone and axi_bytes,
            "--weight-ports": alone and weight_ports,
            "--algorithm": alone and algorithm,
            "--dataflow": alone and dataflow,
            "--exact": alone and exact,
        }
        _refuse_style(style, board, [name for name, stands in given.items() if stands])
    target = place(board, bare, dsp=dsp, clock_mhz=clock)
    fixed = None if array is None else parse_array(array)
    default = api.Space()
    space = api.Space(
        lanes=default.lanes if lanes is None else (lanes,),
        winograd=default.winograd if winograd is None else (winograd.value,),
        axi_bytes=axi_bytes,
        weight_ports=weight_ports,
    )
    shapes = parse_shapes(shape)
    if out is not None:
        output.folder(out)
    with output.progress() as progress:
        progress.stage("reading")
        subject = api.subject(model, calibration, shapes=shapes, strict=strict)
        whole = subject.network if isinstance(subject, api.Imported) else subject
        network = api.shapes_of(subject)
        if not dense:
            subject = network = without_dense(network)
        piped = None
        if target is not None and style is not StyleName.OVERLAY:
            progress.stage("searching parallelisms")
            piped = pipelined(network, target, progress)
            if style is StyleName.PIPELINE:
                if out is not None:
                    piped.save(out)
                piped.tell(as_json=as_json)
                return
            subject = whole = network = leading_part(network, piped.chain)
        progress.stage("exploring")
        search = partial(
            api.explore,
            network,
            whole=whole,
            model=cost,
            objective=objective,
            batch=batch,
            latency_ms=latency_ms,
            array=fixed,
            restriction=api.Restriction(
                algorithms=tuple(algorithm) if algorithm else None,
                dataflows=tuple(dataflow) if dataflow else None,
            ),
            space=space,
            passes=api.Passes(
                merge=merge,
                apart=apart,
                fold=fold,
                space_to_depth=space_to_depth,
                pool_parts=pool_parts,
                concat_in_place=concat_in_place,
            ),
            certify=certify,
            executor=None if engine is None else executor(engine),
        )
        if overlays > 1 and target is not None:
            found = api.explore_several(
                lambda card: api.predict(search(card), subject, batch), target, overlays, objective
            )
        else:
            found = search(target)
            if exact or batch > 1:
                progress.stage("compiling")
                found = api.predict(found, subject, batch)
        if out is not None:
            if piped is not None:
                piped.save(out)
            api.save(found, out)
    if piped is not None:
        both = piped.beside(found)
        if out is not None:
            save_both(both, out)
        tell_both(both, as_json=as_json)
        return
    if as_json:
        output.document(found.to_json())
        return
    _tell(found)
    if len(found.flights) > 1:
        _tell_flights(found)
    _tell_host(network)
    for what in network.ignored:
        typer.echo(f"left out, since the overlay cannot execute it: {what}")
    if out is not None:
        typer.echo(f"written to {out}")


def _refuse_programs(
    batch: int,
    overlays: int,
    exact: bool,
    objective: Objective,
    cost: CostModelName,
    board: str | None,
) -> None:
    """What makes no sense of the options for programs, and for images in flight."""
    if objective is Objective.THROUGHPUT and batch == overlays == 1:
        raise InputError(
            "--objective throughput needs --batch or --overlays of at least 2: of one image at a"
            " time it is --objective latency"
        )
    if (exact or batch * overlays > 1) and cost is not CostModelName.OVERLAY:
        raise InputError(
            "--exact, --batch and --overlays need --model overlay: the paper has no programs"
        )
    if overlays > 1 and board is None:
        raise InputError("--overlays shares a card: it needs --board")


def _tell_flights(found: api.Exploration) -> None:
    """Latency and images a second of all overlays and batches."""
    best = unbeaten(found.flights)
    output.table(
        ("overlays", "array"),
        ("images a run", "cycles", unit(found.clock_standing), "images/s", "DSP", "unbeaten"),
        [
            (
                *(str(flight.overlays), flight.array, str(flight.images), f"{flight.cycles:,}"),
                *(f"{flight.latency_ms:.4f}", f"{flight.images_per_second:,.1f}"),
                *(f"{flight.dsp:,}", "yes" if flight in best else ""),
            )
            for flight in found.flights
        ],
    )


def _refuse_style(style: StyleName, board: str | None, senseless: list[str]) -> None:
    if board is None:
        raise InputError(f"--style {style} needs --board: the card that the stages share")
    if senseless:
        raise InputError(f"--style {style} has no use for {', '.join(senseless)}; leave it out")


def _tell_host(network: api.Network) -> None:
    """What the host has to do between segments, which no cycles tell."""
    parts = api.segments(network)
    stored, loaded = (
        sum(sum(part.tensors[name].size for name in names) for part, names in ends)
        for ends in (
            [(part, part.outputs) for part in parts[:-1]],
            [(part, part.inputs) for part in parts[1:]],
        )
    )
    if len(parts) > 1:
        typer.echo(
            f"{len(parts)} segments, between which the host works: {stored:,} bytes stored, "
            f"{loaded:,} loaded, which --exact counts; the host's own time is not predicted"
        )


_PARTS = ("fill", "array", "load", "drain")


def _where(board: Card) -> str:
    if not board.source:
        return f"the bare device of {board.name}"
    return f"what a {board.name} leaves ({board.dsp:,} of {board.device['dsp']:,} DSPs)"


def _tell(found: api.Exploration) -> None:
    mapping = found.mapping
    parts = [part for part in _PARTS if any(part in layer.split for layer in mapping.layers)]
    output.table(
        ("layer", "algorithm", "dataflow", "variant"),
        ("cycles", *parts, "transfer", "utilisation", "next best", "costs"),
        [
            (
                layer.name,
                layer.label.algorithm,
                layer.label.dataflow,
                layer.label.variant,
                f"{layer.compute + layer.transfer:,.0f}",
                *(f"{layer.split.get(part, 0):,.0f}" for part in parts),
                f"{layer.transfer:,.0f}",
                f"{layer.utilisation:.1%}",
                "" if layer.alternative is None else str(layer.alternative),
                "" if layer.alternative_extra is None else f"{layer.alternative_extra:+,.0f}",
            )
            for layer in mapping.layers
        ],
    )
    where = "any device" if found.board is None else _where(found.board)
    winograd = f", winograd {found.winograd}" if found.winograd else ""
    typer.echo(
        f"{mapping.network} on {where}, {mapping.model}: {mapping.rows} x {mapping.columns}, "
        f"{found.lanes} lane(s){winograd}, {mapping.dsp:,} DSPs"
    )
    told = partial(latency, clock_hz=mapping.clock_hz, standing=found.clock_standing)
    gap = "" if found.certified_gap is None else f"; gap to the optimum {found.certified_gap:g}"
    typer.echo(
        f"{mapping.cycles:,.0f} cycles ({mapping.compute:,.0f} compute, {mapping.transfer:,.0f} "
        f"transfer), {told(mapping.latency_ms)}, utilisation "
        f"{mapping.utilisation:.1%}{gap}"
    )
    if found.decision is not None:
        decided = found.decision
        typer.echo(
            f"by the closed form; by the exact model, which decided among {decided.trials} "
            f"mappings, {decided.cycles:,} cycles ({decided.first:,} for the closed form's best), "
            f"{told(decided.cycles / mapping.clock_hz * 1e3)}"
        )
    if found.execution is not None:
        total = found.execution.cycles.total
        typer.echo(
            f"compiled: {total:,} cycles, as in RTL, {told(total / mapping.clock_hz * 1e3)}; the "
            f"closed form differs by {mapping.cycles / total - 1:+.1%}"
        )
    typer.echo(f"mapped in {mapping.seconds:.3f} s, explored in {found.seconds:.2f} s")
