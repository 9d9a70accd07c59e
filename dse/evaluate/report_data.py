"""What a report shows of an exploration, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dse.evaluate.rivals import Rival, rivals
from dse.evaluate.roofs import Roof, memories, peaks
from dse.evaluate.searched_arrays import SearchedArrays
from dse.evaluate.timeline import Timeline, timeline
from dse.evaluate.traffic import traffic
from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.explore.flights import Flight
from dse.explore.resources import Resources
from dse.explore.waterfall import Parts
from dse.mapping import NetworkMapping, ParetoPoint

_PARTS = ("fill", "compute", "load", "stall", "drain")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportData:
    """Everything on the page.

    Members
    -------
    certified_gap : cycles above the certificate's; None: not certified.
    seconds : of the whole exploration; ``mapping.seconds`` of the mapping alone.
    configuration : the overlay's parameters by name.
    resources : by block of the overlay; empty if the cost model has no gateware.
    dies : the array's columns on each die, from the lowest; empty if there is no gateware.
    splits : cycles of each layer by part, in execution order.
    traffic : bytes between DRAM and chip by convolution.
    peaks, memories : the roofs.
    candidates, pareto : of the array search; None and empty if the array was given.
    waterfall : exact cycles by layer and part; empty if the network was not compiled.
    flights : images in flight, if the network was compiled.
    """

    mapping: NetworkMapping
    board: Card
    lanes: int
    certified_gap: float | None
    seconds: float
    configuration: Mapping[str, object]
    resources: Mapping[str, Resources]
    dies: tuple[range, ...]
    splits: Mapping[str, Mapping[str, float]]
    traffic: Mapping[str, float]
    peaks: tuple[Roof, ...]
    memories: tuple[Roof, ...]
    candidates: SearchedArrays | None
    pareto: tuple[ParetoPoint, ...]
    rivals: tuple[Rival, ...]
    timeline: Timeline
    waterfall: Mapping[str, Parts]
    flights: tuple[Flight, ...]


def report_data(found: Exploration, board: Card) -> ReportData:
    """All that a report shows of an exploration for a board."""
    mapping, config = found.mapping, found.configuration
    array = {"rows": mapping.rows, "columns": mapping.columns, "lanes": found.lanes}
    return ReportData(
        mapping=mapping,
        board=board,
        lanes=found.lanes,
        certified_gap=found.certified_gap,
        seconds=found.seconds,
        configuration=array if config is None else config.to_json(),
        resources={} if config is None else board.blocks(config),
        dies=() if config is None else board.dies(config),
        splits=_splits(found),
        traffic=traffic(found, board),
        peaks=tuple(peaks(found)),
        memories=tuple(memories(found, board)),
        candidates=SearchedArrays.of(found.grids),
        pareto=found.pareto,
        rivals=tuple(rivals(found, board)),
        timeline=timeline(found),
        waterfall=found.waterfall_by_layer,
        flights=found.flights,
    )


def _splits(found: Exploration) -> dict[str, Mapping[str, float]]:
    """Of the program, and in closed form of what it has not as a layer of its own."""
    closed: dict[str, Mapping[str, float]] = {
        layer.name: {**(layer.split or {"compute": layer.compute}), "transfer": layer.transfer}
        for layer in found.mapping.layers
    }
    if found.execution is None:
        return closed
    layers = found.execution.cycles.layers
    exact = {layer.name: {part: getattr(layer, part) for part in _PARTS} for layer in layers}
    return {**exact, **{name: closed[name] for name in closed if name not in exact}}
