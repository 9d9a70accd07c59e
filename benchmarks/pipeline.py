"""``python -m benchmarks.pipeline``: the tables of docs/pipeline.md, as Markdown.

Every time is measured on the machine it runs on, in one process: the median of several runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median
from typing import Annotated, Any

import typer
from tqdm import tqdm

from benchmarks.published import load_published
from dse.pipeline.chip_budget import device_budget
from dse.pipeline.exact import search_exact
from dse.pipeline.filtered import Filtered, search_filtered
from dse.pipeline.model.cost import cost_model
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain
from dse.pipeline.model.loads import NETWORKS, load_devices, load_network
from dse.pipeline.model.parallelism import Granule
from dse.pipeline.model.search_error import BudgetError, WindowError
from dse.pipeline.run import Outcome, run
from dse.pipeline.search_report import binding
from dse.pipeline.windows import Windows

WINDOW_SIZES = (0.02, 0.05, 0.1, 0.2, 0.3)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """An outcome, and the median seconds of both searches over several runs."""

    outcome: Outcome
    filtered_seconds: float
    exact_seconds: float


def main(
    repeats: Annotated[int, typer.Option(min=1, help="runs per measured time")] = 5,
) -> None:
    """Print every table."""
    tables = (published_table, row_bound_table, window_table, network_table)
    for table in tables:
        for line in table(repeats):
            typer.echo(line)
        typer.echo("")


def published_table(repeats: int) -> Iterator[str]:
    """AlexNet at 16 bits on the five devices beside the paper."""
    yield (
        "| device | R1 | paper | R2 | paper | compression % | paper | seconds | paper "
        "| exact seconds | lower bound = result | DSP | memory |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    network, devices = load_network("alexnet"), load_devices()
    r1, r2 = [], []
    rows = load_published()
    for row in tqdm(rows, desc="devices", disable=None):
        device = devices[row["name"]]
        timed = measure(network, device, bits=16, repeats=repeats)
        design = timed.outcome.design
        counts = _filtered(timed).counts
        r1.append(design.r1)
        r2.append(design.r2)
        unit = device.ram.blocks_per_unit
        yield (
            f"| {device.title} | {design.r1:.4f} | {row['R1']:.3f} | {design.r2:.4f} "
            f"| {row['R2']:.3f} | {counts.compression_percent:.4f} "
            f"| {row['compression_percent']:.3f} | {timed.filtered_seconds:.3f} "
            f"| {row['seconds']:.3f} | {timed.exact_seconds:.2f} "
            f"| {'yes' if timed.outcome.optimum_proved else 'no'} "
            f"| {design.dsp} of {device.dsp} "
            f"| {design.ram / unit:g} of {device.ram_units} {device.ram.unit} |"
        )
    yield (
        f"| mean | {fmean(r1):.4f} | {_mean(rows, 'R1')} | {fmean(r2):.4f} | {_mean(rows, 'R2')} "
        "| | | | | | | | |"
    )


def row_bound_table(repeats: int) -> Iterator[str]:
    """The bound without memory limit for segments of rows and of pixels."""
    yield "| device | rows | published | pixels |"
    yield "|---|---|---|---|"
    network, devices = load_network("alexnet"), load_devices()
    for row in load_published():
        device = devices[row["name"]]
        bounds = [
            search_exact(
                network,
                device,
                cost_model(device, granule=granule),
                device_budget(device, ram_limit=False),
            ).design.r1
            for granule in (Granule.ROW, Granule.PIXEL)
        ]
        yield f"| {device.title} | {bounds[0]:.4f} | {row['dsp_only_R1']:.3f} | {bounds[1]:.4f} |"


def window_table(repeats: int) -> Iterator[str]:
    """What the windows cost: the worst of the five devices, AlexNet at 16 bits."""
    yield "| alpha = beta | worst loss % | least compression % | most nodes | most seconds |"
    yield "|---|---|---|---|---|"
    network, devices = load_network("alexnet"), load_devices()
    optimum = {
        name: search_exact(network, device, cost_model(device), device_budget(device)).lower_bound
        for name, device in devices.items()
    }
    for size in WINDOW_SIZES:
        losses: list[float] = []
        compressions: list[float] = []
        nodes: list[int] = []
        seconds: list[float] = []
        for name, device in devices.items():
            search = partial(
                search_filtered,
                network,
                device,
                cost_model(device),
                device_budget(device),
                windows=Windows(alpha=size, beta=size),
            )
            try:
                runs = [search() for _ in range(repeats)]
            except WindowError:
                continue
            losses.append(100 * (1 - optimum[name] / runs[0].design.cycles))
            compressions.append(runs[0].counts.compression_percent)
            nodes.append(runs[0].nodes)
            seconds.append(median(result.seconds for result in runs))
        if len(losses) < len(devices):
            yield f"| {size:g} | no design on {len(devices) - len(losses)} devices | | | |"
            continue
        yield (
            f"| {size:g} | {max(losses):.2f} | {min(compressions):.4f} | {max(nodes):,} "
            f"| {max(seconds):.3f} |"
        )


def network_table(repeats: int) -> Iterator[str]:
    """Every network on every device, at both widths."""
    yield "| network | bits | device | R1 | exact R1 | R2 | seconds | exact seconds | what binds |"
    yield "|---|---|---|---|---|---|---|---|---|"
    cells = [
        (load_network(name), bits, device)
        for name in NETWORKS
        for bits in (16, 8)
        for device in load_devices().values()
    ]
    for network, bits, device in tqdm(cells, desc="networks", disable=None):
        start = f"| {network.name} | {bits} | {device.title} |"
        try:
            timed = measure(network, device, bits=bits, repeats=1)
        except BudgetError as error:
            yield f"{start} | | | | | {error} |"
            continue
        outcome = timed.outcome
        yield (
            f"{start} {outcome.design.r1:.4f} | {outcome.exact.design.r1:.4f} "
            f"| {outcome.design.r2:.4f} | {timed.filtered_seconds:.2f} "
            f"| {timed.exact_seconds:.2f} | {binding(outcome)} |"
        )


def measure(network: Chain, device: Device, *, bits: int, repeats: int) -> Timed:
    """Run both searches ``repeats`` times on the budget of a device."""
    model, budget = cost_model(device, bits=bits), device_budget(device)
    outcomes = [run(network, device, model, budget) for _ in range(repeats)]
    return Timed(
        outcome=outcomes[-1],
        filtered_seconds=median(outcome.seconds for outcome in outcomes),
        exact_seconds=median(outcome.exact.seconds for outcome in outcomes),
    )


def _filtered(timed: Timed) -> Filtered:
    if timed.outcome.filtered is None:
        raise RuntimeError("a run with the filtered method always has its result")
    return timed.outcome.filtered


def _mean(rows: list[dict[str, Any]], key: str) -> str:
    return f"{fmean(row[key] for row in rows):.3f}"


if __name__ == "__main__":
    typer.run(main)
