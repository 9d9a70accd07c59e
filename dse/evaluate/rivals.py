"""What a mapping is measured against: mappings of the same network onto the same array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from dse.cost import CostModel, Dynamap, Infeasible
from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.mapping import Restriction, map_network
from dse.passes import layer_shapes


@dataclass(frozen=True)
class Rival:
    """What the chosen mapping is compared with; ``latency_ms`` None: impossible, ``note`` says why.

    ``chosen`` marks the mapping itself.
    """

    name: str
    latency_ms: float | None
    note: str = ""
    chosen: bool = False


def rivals(found: Exploration, board: Card) -> Iterator[Rival]:
    """The mapping, its program, every single algorithm and dataflow, the paper's model, a bound."""
    mapping = found.mapping
    yield Rival("this mapping", mapping.latency_ms, mapping.model, chosen=True)
    if found.execution is not None:
        exact = found.execution.cycles.total / mapping.clock_hz * 1e3
        yield Rival("this mapping, compiled", exact, "exact model of the whole program")
    yield from _restricted(found)
    for name, bandwidth in (("", board.memory_bandwidth), (", free transitions", inf)):
        paper = Dynamap(clock_hz=mapping.clock_hz, bandwidth=bandwidth)
        yield _best(found, f"DYNAMAP's model{name}", paper, note="the paper's equations, one lane")
    busy = found.network.macs() / (mapping.peak_macs * mapping.clock_hz)
    yield Rival("every multiplier busy", busy * 1e3, "bound of direct convolution")


def _restricted(found: Exploration) -> Iterator[Rival]:
    """Every single algorithm and every single dataflow of those that were allowed."""
    model, allowed = found.model, found.restriction
    labels = [
        label
        for name, shape in layer_shapes(found.network).items()
        for label in allowed.allowed(name, model.labels(shape))
    ]
    note = f"{allowed.fallback} where it is not legal" if allowed.fallback else ""
    for algorithm in sorted({label.algorithm for label in labels}):
        only = replace(allowed, algorithms=(algorithm,))
        yield _best(found, f"{algorithm} only", model, only, note)
    for dataflow in sorted({label.dataflow for label in labels if label.dataflow}):
        only = replace(allowed, dataflows=(dataflow,))
        yield _best(found, f"{dataflow} only", model, only)


def _best(
    found: Exploration,
    name: str,
    model: CostModel,
    restriction: Restriction | None = None,
    note: str = "",
) -> Rival:
    """The optimal mapping onto the chosen array."""
    array = found.mapping.rows, found.mapping.columns
    try:
        best = map_network(found.network, model, *array, restriction=restriction)
    except Infeasible as error:
        return Rival(name, None, str(error))
    return Rival(name, best.latency_ms, note)
