"""A design with the network mapped on it: what a search compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dse.cost.overlay_model import OverlayModel
from dse.explore.merging import Merges
from dse.mapping import NetworkMapping, ParetoPoint, Restriction, map_network
from dse.network.graph import Network
from dse.passes import Passes, apply
from dse.passes.merge import Group
from dse.tiling.layer_mapping import LayerMapping


@dataclass(frozen=True, eq=False)
class Candidate:
    """A design, and the network with some siblings merged, mapped on it."""

    point: ParetoPoint
    groups: tuple[Group, ...]
    network: Network
    mapping: NetworkMapping

    def choices(self, passes: Passes) -> LayerMapping | None:
        """The mapping as ``compile`` takes it; None if the labels are not the compiler's."""
        model = self.point.model
        if not isinstance(model, OverlayModel):
            return None
        return compiler_choices(model, self.mapping, self.groups, passes)


def compiler_choices(
    model: OverlayModel, mapping: NetworkMapping, groups: Sequence[Group], passes: Passes
) -> LayerMapping:
    """A mapping as ``compile`` takes it, with merged groups."""
    ways = {layer.name: model.way(layer.label) for layer in mapping.layers}
    return LayerMapping(
        {name: replace(way.choice, fold=way.fold) for name, way in ways.items()},
        merge=tuple(groups),
        space_to_depth=passes.space_to_depth,
        pool_parts=passes.pool_parts,
        concat_in_place=passes.concat_in_place,
    )


def mapped(
    network: Network,
    passes: Passes | None,
    merges: Merges | None,
    restriction: Restriction | None,
    point: ParetoPoint,
) -> Candidate:
    """The network on a design, with the siblings merged that are worth it.

    ``passes``: None if the hardware is not ours.
    """
    model, array = point.model, (point.rows, point.columns)
    offers: list[tuple[Group, ...]] = [()]
    if merges is not None:
        offers.append(merges.worth(model, *array, restriction or Restriction()))
    found: list[Candidate] = []
    for groups in dict.fromkeys(offers):
        changed = network if passes is None else apply(network, passes, groups)
        mapping = map_network(changed, model, *array, restriction=restriction)
        merged = replace(point, cycles=mapping.cycles, latency_ms=mapping.latency_ms)
        found.append(Candidate(merged, groups, changed, mapping))
    return min(found, key=lambda one: one.mapping.cycles)
