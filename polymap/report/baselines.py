"""What a mapping is measured against: mappings of the same network onto the same array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from dse.cost import CostModel, Dynamap, Infeasible
from dse.explore.card import Card
from dse.mapping import NetworkMapping, Restriction, map_network
from dse.network.graph import Network
from dse.passes import layer_shapes


@dataclass(frozen=True)
class Baseline:
    """A mapping under some restriction or by some other model; None: impossible, ``note`` why."""

    name: str
    mapping: NetworkMapping | None
    note: str = ""


def baselines(
    network: Network,
    model: CostModel,
    mapping: NetworkMapping,
    board: Card,
    restriction: Restriction | None = None,
) -> tuple[Baseline, ...]:
    """Every single algorithm, every single dataflow, and the paper's model.

    ``restriction``: under which the mapping was found.
    """
    return tuple(_baselines(network, model, mapping, board, restriction or Restriction()))


def _baselines(
    network: Network,
    model: CostModel,
    mapping: NetworkMapping,
    board: Card,
    allowed: Restriction,
) -> Iterator[Baseline]:
    labels = [
        label
        for name, shape in layer_shapes(network).items()
        for label in allowed.allowed(name, model.labels(shape))
    ]

    def best(
        name: str, other: CostModel, limit: Restriction | None = None, note: str = ""
    ) -> Baseline:
        try:
            found = map_network(network, other, mapping.rows, mapping.columns, restriction=limit)
        except Infeasible as error:
            return Baseline(name, None, str(error))
        return Baseline(name, found, note)

    for algorithm in sorted({label.algorithm for label in labels}):
        note = f"{allowed.fallback} where it is not legal" if allowed.fallback else ""
        yield best(f"{algorithm} only", model, replace(allowed, algorithms=(algorithm,)), note)
    for dataflow in sorted({label.dataflow for label in labels}):
        yield best(f"{dataflow} only", model, replace(allowed, dataflows=(dataflow,)))
    for name, bandwidth in (("", board.memory_bandwidth), (", free transitions", inf)):
        paper = Dynamap(clock_hz=mapping.clock_hz, bandwidth=bandwidth)
        yield best(f"DYNAMAP's model{name}", paper, note="the paper's equations, one lane")
