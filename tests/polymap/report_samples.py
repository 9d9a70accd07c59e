"""Explorations to report on: a layer, a network in closed form, a search, a compiled network."""

from __future__ import annotations

from typing import Any

import numpy as np

from boards.board import U200
from dse.compile.compiler import compile_network
from dse.cost import Dynamap
from dse.evaluate.report_data import ReportData, report_data
from dse.explore.execution import Execution
from dse.explore.exploration import Exploration
from dse.explore.objectives import Objective
from dse.mapping import NetworkMapping, Restriction, map_network, sweep
from dse.network.graph import Network
from dse.networks.builder import OutlineBuilder
from dse.passes import Arrangement, Passes
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig

MODEL = Dynamap(clock_hz=U200.clock_hz, bandwidth=U200.memory_bandwidth)
CONFIG = OverlayConfig(rows=4, columns=6, lanes=1, tensor_bytes=1 << 12, axi_bytes=16)


def single(name: str) -> Network:
    net = OutlineBuilder("one", (9, 9, 8))
    net.conv("input", name, 16, 3)
    return net.build()


def explored(network: Network, mapping: NetworkMapping, **more: Any) -> ReportData:
    """What a report shows of a mapping that was found with the paper's model on a U200."""
    options: dict[str, Any] = {
        "restriction": Restriction(),
        "configuration": None,
        "pareto": (),
        "grids": (),
        "certified_gap": 0,
        **more,
    }
    found = Exploration(
        board=U200,
        objective=Objective.LATENCY,
        network=network,
        passes=Passes(),
        arrangement=Arrangement(),
        model=MODEL,
        mapping=mapping,
        seconds=1.25,
        **options,
    )
    return report_data(found, U200)


def closed(
    network: Network, rows: int = 8, columns: int = 12, config: OverlayConfig | None = None
) -> ReportData:
    """In closed form."""
    return explored(network, map_network(network, MODEL, rows, columns), configuration=config)


def searched() -> ReportData:
    """With all arrays of up to 6 x 6."""
    network = single("conv")
    sides = np.arange(1, 7)
    arrays = np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)
    found = sweep(network, MODEL, U200.budget, arrays=arrays)
    return explored(network, found.best, grids=found.grids, pareto=found.pareto)


def compiled(network: Network) -> tuple[ReportData, Execution]:
    """With its program and the exact cycles, of layers that the compiler has."""
    restriction = Restriction(algorithms=("im2col",))
    mapping = map_network(network, MODEL, CONFIG.rows, CONFIG.columns, restriction=restriction)
    flows = {layer.name: Dataflow[layer.label.dataflow] for layer in mapping.layers}
    choices = LayerMapping({name: Choice(flow) for name, flow in flows.items()})
    program = compile_network(network, CONFIG, choices)
    execution = Execution.of([program], CONFIG)
    data = explored(network, mapping, certified_gap=None, configuration=CONFIG, execution=execution)
    return data, execution
