"""The result of a run as a JSON object and as terminal tables."""

import math
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from dse.cost.clock import ClockStanding, clock
from dse.pipeline.design import Design, Stage
from dse.pipeline.model.search_error import SearchError
from dse.pipeline.run import Outcome

PIPELINE_VERSION = 1


def check_clock(mhz: float) -> float:
    """A clock in MHz, or a `SearchError`."""
    if not (math.isfinite(mhz) and mhz > 0):
        raise SearchError(f"the clock must be a positive number of MHz, not {mhz!r}")
    return mhz


def to_json(outcome: Outcome, *, mhz: float) -> dict[str, Any]:
    """A run as plain data. Memory is in blocks of ``ram_block``, and in ``ram_unit`` where said."""
    design, exact, filtered = outcome.design, outcome.exact, outcome.filtered
    ram = design.model.ram
    return {
        "version": PIPELINE_VERSION,
        "network": design.network.name,
        "device": design.device.name,
        "bits": design.model.bits,
        "granularity": design.model.granule.value,
        "batch": design.network.batch,
        "products_per_dsp": design.model.pairing.products,
        "method": outcome.method.value,
        "R1": design.r1,
        "R2": design.r2,
        "mhz": mhz,
        "clock_standing": ClockStanding.ASSUMED.value,
        "gops": design.gops(mhz),
        "images_per_second": mhz * 1e6 / design.cycles,
        "dram_gb_per_second": design.dram_gb_per_s(mhz),
        "cycles": design.cycles,
        "seconds": outcome.seconds,
        "compression_percent": filtered.counts.compression_percent if filtered else None,
        "optimum_proved": outcome.optimum_proved,
        "loss_percent": outcome.loss_percent,
        "dsp": {"used": design.dsp, "chip": design.device.dsp},
        "ram": {"used": design.ram, "chip": design.device.ram_blocks, "block": ram.name},
        "stages": [_stage_json(design, stage) for stage in design.stages],
        "filtered": _filtered_json(outcome),
        "exact": {
            "R1": exact.design.r1,
            "cycles": exact.design.cycles,
            "lower_bound": exact.lower_bound,
            "dsp_bound": exact.dsp_bound,
            "proved": exact.proved,
            "plans": exact.plans,
            "seconds": exact.seconds,
        },
        "binds": binding(outcome),
    }


def binding(outcome: Outcome) -> str:
    """One line: what keeps the optimum from being faster."""
    exact = outcome.exact
    if outcome.shortfall is None:
        return f"DSP blocks bind: no design under {exact.lower_bound:,} cycles, whatever the memory"
    return outcome.shortfall.sentence(exact.design.model.ram)


def to_tables(outcome: Outcome) -> RenderableType:
    """The stages and the candidates of a run, for the terminal."""
    return Group(_stage_table(outcome.design), _candidate_table(outcome))


def _stage_json(design: Design, stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "scheme": stage.scheme.value,
        "para_in": stage.para_in,
        "para_out": stage.para_out,
        "para_seg": stage.para_seg,
        "run": stage.run,
        "cycles": stage.cycles,
        "dsp": stage.dsp,
        "ram": stage.ram,
        "bram": stage.ram / design.model.ram.blocks_per_unit,
        "bram_unit": design.model.ram.unit,
        "ram_by_buffer": {
            "input": stage.input_ram,
            "weight": stage.weight_ram,
            "output": stage.output_ram,
            "pool": stage.pool_ram,
            "parameter": stage.parameter_ram,
        },
        "utilisation": design.utilisation(stage),
        "busy": stage.cycles / design.cycles,
    }


def _filtered_json(outcome: Outcome) -> dict[str, Any] | None:
    filtered = outcome.filtered
    if filtered is None:
        return None
    counts = filtered.counts
    return {
        "R1": filtered.design.r1,
        "cycles": filtered.design.cycles,
        "alpha": filtered.windows.alpha,
        "beta": filtered.windows.beta,
        "nodes": filtered.nodes,
        "seconds": filtered.seconds,
        "candidates": {
            "product": counts.product,
            "knees": counts.knees,
            "windows": counts.windows,
            "coarse": counts.coarse,
            "fine": counts.fine,
        },
    }


def _stage_table(design: Design) -> Table:
    ram = design.model.ram
    table = Table(
        title=f"{design.network.name} on {design.device.title}, {design.model.bits} bits, "
        f"segments of {design.model.granule.value}s"
    )
    for heading in ("stage", "keeps"):
        table.add_column(heading)
    for heading in ("in", "out", "seg", "cycles", "busy", "DSP", ram.unit, "utilisation"):
        table.add_column(heading, justify="right")
    for stage in design.stages:
        table.add_row(
            stage.name,
            stage.scheme.value,
            str(stage.para_in),
            str(stage.para_out),
            str(stage.para_seg),
            f"{stage.cycles:,}",
            f"{stage.cycles / design.cycles:.1%}",
            str(stage.dsp),
            f"{stage.ram / ram.blocks_per_unit:g}",
            f"{design.utilisation(stage):.1%}",
        )
    return table


def _candidate_table(outcome: Outcome) -> RenderableType:
    if outcome.filtered is None:
        return "The windows hold no design; the exact search needs none."
    counts = outcome.filtered.counts
    table = Table(title="candidates of each stage")
    table.add_column("stage")
    columns = (counts.product, counts.knees, counts.windows, counts.coarse, counts.fine)
    for heading in ("product", "knees", "windows", "coarse", "fine"):
        table.add_column(heading, justify="right")
    names = [stage.name for stage in outcome.design.stages]
    for name, *row in zip(names, *columns, strict=True):
        table.add_row(name, *(f"{value:,}" for value in row))
    return table


def summary(outcome: Outcome, *, mhz: float) -> str:
    """The totals of a run, a line each."""
    design, exact, filtered = outcome.design, outcome.exact, outcome.filtered
    unit = design.model.ram.blocks_per_unit
    lines = [
        f"R1 {design.r1:.4f}  R2 {design.r2:.4f}  {design.gops(mhz):,.1f} GOP/s and "
        f"{mhz * 1e6 / design.cycles:,.0f} images/s at {clock(mhz * 1e6, ClockStanding.ASSUMED)}",
        f"DSP {design.dsp} of {design.device.dsp}, {design.model.ram.unit} {design.ram / unit:g} "
        f"of {design.device.ram_units}, DRAM {design.dram_gb_per_s(mhz):.1f} GB/s",
    ]
    if filtered is not None:
        lines.append(
            f"nine steps: {filtered.seconds:.2f} s, {filtered.counts.compression_percent:.4f} % "
            f"compression, {filtered.nodes:,} nodes, alpha {filtered.windows.alpha:g}, "
            f"beta {filtered.windows.beta:g}, loss {outcome.loss_percent:.2f} %"
        )
    lines.append(
        f"exact: {exact.seconds:.2f} s, {exact.design.cycles:,} cycles, lower bound "
        f"{exact.lower_bound:,}; optimum {'proved' if outcome.optimum_proved else 'not reached'}"
    )
    return "\n".join([*lines, binding(outcome)])
