"""Layers side by side: ``python -m benchmarks.side_by_side googlenet --board u200 --bare``.

For each layer of a network as it is mapped: its exact cycles; those of DYNAMAP's model and of
SCALE-Sim's closed forms on the same rows and columns, with one multiply-accumulate per element, as
both assume; and three bounds: every multiplier busy, the waves of the way of fewest, whatever else
that takes, and the weights' bytes on the buses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from benchmarks.arguments import convolutional, explored, line
from boards.board import Board, board
from dse.cost import CostModel, Dynamap, ScaleSim
from dse.cost.overlay_model import OverlayModel
from dse.explore.exploration import Exploration
from dse.explore.search import explore, predict
from dse.mapping import map_network
from dse.passes import layer_shapes
from dse.process import interrupt

HEADER = (
    *("layer", "way", "this, exact", "DYNAMAP's model", "SCALE-Sim", "multipliers busy"),
    "least waves",
    "weights on the buses",
)


def rows(found: Exploration, target: Board) -> Iterator[tuple[str, str, list[float]]]:
    """Layer, way, and the columns' cycles; then the sums."""
    config = found.configuration
    assert config is not None
    exact = {name: sum(parts.values()) for name, parts in found.waterfall_by_layer.items()}
    paper = Dynamap(clock_hz=found.mapping.clock_hz, bandwidth=target.memory_bandwidth)
    others = [_cycles(found, model) for model in (paper, ScaleSim())]
    shapes = layer_shapes(found.network)
    bus = config.weight_ports * config.axi_bytes
    peak = config.lanes * config.rows * config.columns
    model = found.model
    assert isinstance(model, OverlayModel)
    total = [0.0] * 6
    for layer in found.mapping.layers:
        shape = shapes[layer.name]
        weights = shape.taps * shape.cin * shape.cout / shape.groups
        cycles = [exact.get(layer.name, 0.0), *(other[layer.name] for other in others)]
        cycles += [
            shape.macs / peak,
            model.least_waves(shape, config.rows, config.columns),
            weights / bus,
        ]
        total = [a + b for a, b in zip(total, cycles, strict=True)]
        yield layer.name, str(layer.label), cycles
    yield "**all**", "", total


def _cycles(found: Exploration, model: CostModel) -> dict[str, float]:
    """Each layer's by another model, with the transfers before it."""
    mapping = map_network(found.network, model, found.mapping.rows, found.mapping.columns)
    return {layer.name: layer.compute + layer.transfer for layer in mapping.layers}


def main(arguments: Sequence[str]) -> None:
    """Print a table for each network."""
    parser = explored("side_by_side", __doc__, ["googlenet"])
    parser.add_argument("--board", default="u200")
    asked = parser.parse_args(arguments)
    target = board(asked.board, bare=asked.bare)
    for model in asked.models:
        network = convolutional(model)
        found = predict(explore(network, target, array=asked.array, certify=False), network)
        mapping = found.mapping
        array = f"{mapping.rows} x {mapping.columns}, {found.lanes} lanes"
        print(f"**{model}, {target.name}, {array}**\n\n| {' | '.join(HEADER)} |")
        print("|---|---|" + "---:|" * (len(HEADER) - 2))
        for name, way, cycles in rows(found, target):
            cells = (name, way, *(f"{value:,.0f}" for value in cycles))
            print(line(*cells))
        print(flush=True)


if __name__ == "__main__":
    sys.exit(interrupt.command(lambda: main(sys.argv[1:]), "side_by_side"))
