"""Explorations to report on: a layer, a network in closed form, a search, a compiled network."""

from __future__ import annotations

import numpy as np

from boards.board import U200
from dse.compile.compiler import compile_network
from dse.cost import Dynamap
from dse.cycles.whole_program import program_cycles
from dse.explore.execution import Execution
from dse.mapping import Restriction, map_network, sweep
from dse.network.from_network import from_network
from dse.network.graph import Network
from dse.network.workload import Convolution, ConvShape, Source, Workload
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from polymap.report import ReportData, baselines, report_data

MODEL = Dynamap(clock_hz=U200.clock_hz, bandwidth=U200.memory_bandwidth)
CONFIG = OverlayConfig(rows=4, columns=6, lanes=1, tensor_bytes=1 << 12, axi_bytes=16)


def single(name: str) -> Workload:
    conv = ConvShape(9, 9, 8, 16, (3, 3), padding=(1, 1, 1, 1))
    return Workload("one", (Source("x", conv.input), Convolution(name, "x", conv)))


def closed(
    workload: Workload, rows: int = 8, columns: int = 12, config: OverlayConfig | None = None
) -> ReportData:
    """In closed form."""
    mapping = map_network(workload, MODEL, rows, columns)
    return report_data(
        workload,
        MODEL,
        mapping,
        U200,
        lanes=1,
        certified_gap=0,
        seconds=1.25,
        baselines=baselines(workload, MODEL, mapping, U200),
        config=config,
    )


def searched() -> ReportData:
    """With all arrays of up to 6 x 6."""
    workload = single("conv")
    sides = np.arange(1, 7)
    arrays = np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)
    found = sweep(workload, MODEL, U200.budget, arrays=arrays)
    return report_data(
        workload,
        MODEL,
        found.best,
        U200,
        lanes=1,
        certified_gap=0,
        seconds=1,
        grids=found.grids,
        pareto=found.pareto,
    )


def compiled(network: Network) -> tuple[ReportData, Execution]:
    """With its program and the exact cycles, of layers that the compiler has."""
    workload = from_network(network)
    restriction = Restriction(algorithms=("im2col",))
    mapping = map_network(workload, MODEL, CONFIG.rows, CONFIG.columns, restriction=restriction)
    flows = {layer.name: Dataflow[layer.label.dataflow] for layer in mapping.layers}
    choices = LayerMapping({name: Choice(flow) for name, flow in flows.items()})
    program = compile_network(network, CONFIG, choices)
    execution = Execution(program, program_cycles(program, CONFIG))
    data = report_data(
        workload,
        MODEL,
        mapping,
        U200,
        lanes=1,
        certified_gap=None,
        seconds=1,
        config=CONFIG,
        execution=execution,
    )
    return data, execution
