"""Explorations to report on: a layer, a network in closed form, a search, a compiled network."""

from __future__ import annotations

import numpy as np

from boards.board import U200
from dse.compile.compiler import compile_network
from dse.cost import Dynamap
from dse.cycles.whole_program import program_cycles
from dse.explore.execution import Execution
from dse.mapping import Restriction, map_network, sweep
from dse.network.graph import Network
from dse.networks.builder import OutlineBuilder
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from polymap.report import ReportData, baselines, report_data

MODEL = Dynamap(clock_hz=U200.clock_hz, bandwidth=U200.memory_bandwidth)
CONFIG = OverlayConfig(rows=4, columns=6, lanes=1, tensor_bytes=1 << 12, axi_bytes=16)


def single(name: str) -> Network:
    net = OutlineBuilder("one", (9, 9, 8))
    net.conv("input", name, 16, 3)
    return net.build()


def closed(
    network: Network, rows: int = 8, columns: int = 12, config: OverlayConfig | None = None
) -> ReportData:
    """In closed form."""
    mapping = map_network(network, MODEL, rows, columns)
    return report_data(
        network,
        MODEL,
        mapping,
        U200,
        lanes=1,
        certified_gap=0,
        seconds=1.25,
        baselines=baselines(network, MODEL, mapping, U200),
        config=config,
    )


def searched() -> ReportData:
    """With all arrays of up to 6 x 6."""
    network = single("conv")
    sides = np.arange(1, 7)
    arrays = np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)
    found = sweep(network, MODEL, U200.budget, arrays=arrays)
    return report_data(
        network,
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
    restriction = Restriction(algorithms=("im2col",))
    mapping = map_network(network, MODEL, CONFIG.rows, CONFIG.columns, restriction=restriction)
    flows = {layer.name: Dataflow[layer.label.dataflow] for layer in mapping.layers}
    choices = LayerMapping({name: Choice(flow) for name, flow in flows.items()})
    program = compile_network(network, CONFIG, choices)
    execution = Execution(program, program_cycles(program, CONFIG))
    data = report_data(
        network,
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
