"""A design with the network mapped on it: what a search compares."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dse.cost.overlay_model import OverlayModel
from dse.explore.arranging import Arrangements
from dse.mapping import NetworkMapping, ParetoPoint, Restriction, map_network
from dse.network.graph import Network
from dse.passes import Arrangement, Passes, apply
from dse.tiling.layer_mapping import LayerMapping


@dataclass(frozen=True, eq=False)
class Candidate:
    """A design, and the network, arranged for it, mapped on it."""

    point: ParetoPoint
    arrangement: Arrangement
    network: Network
    mapping: NetworkMapping

    def choices(self, passes: Passes) -> LayerMapping | None:
        """The mapping as ``compile`` takes it; None if the labels are not the compiler's."""
        model = self.point.model
        if not isinstance(model, OverlayModel):
            return None
        return compiler_choices(model, self.mapping, self.arrangement, passes)


def compiler_choices(
    model: OverlayModel, mapping: NetworkMapping, arrangement: Arrangement, passes: Passes
) -> LayerMapping:
    """A mapping of an arranged network as ``compile`` takes it."""
    ways = {layer.name: model.way(layer.label) for layer in mapping.layers}
    return LayerMapping(
        {name: replace(way.choice, fold=way.fold) for name, way in ways.items()},
        merge=arrangement.groups,
        apart=arrangement.apart,
        space_to_depth=passes.space_to_depth,
        pool_parts=passes.pool_parts,
        concat_in_place=passes.concat_in_place,
    )


def mapped(
    network: Network,
    passes: Passes | None,
    arrangements: Arrangements | None,
    restriction: Restriction | None,
    point: ParetoPoint,
    *,
    apart: bool = True,
) -> Candidate:
    """The network on a design, arranged as it is worth it; ``apart``: results may be copied.

    ``passes``: None if the hardware is not ours.
    """
    model, array = point.model, (point.rows, point.columns)
    offers = [Arrangement()]
    if arrangements is not None and isinstance(model, OverlayModel):
        offers.append(arrangements.worth(model, *array, restriction or Restriction(), apart=apart))
    found: list[Candidate] = []
    for arrangement in dict.fromkeys(offers):
        changed = network if passes is None else apply(network, passes, arrangement)
        mapping = map_network(changed, model, *array, restriction=restriction)
        merged = replace(point, cycles=mapping.cycles, latency_ms=mapping.latency_ms)
        found.append(Candidate(merged, arrangement, changed, mapping))
    return min(found, key=lambda one: one.mapping.cycles)
