"""Which sibling convolutions to merge, on a given array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations

from dse.cost import CostModel, as_arrays
from dse.mapping import Restriction
from dse.networks import Workload
from dse.networks.workload import ConvShape
from dse.passes import Passes, apply, siblings
from dse.passes.merge import Group

MOST_MEMBERS = 4
"""Of groups whose every part is tried; larger ones are merged as a whole or not at all."""


class Merges:
    """The merges that a network offers, and what each changes; the same for every array.

    A merged tensor's readers lose the contiguity of their rows, so that it can pay to leave some
    siblings alone.
    """

    def __init__(self, network: Workload, passes: Passes) -> None:
        plain = apply(network, passes, ())
        before = _layers(plain)
        self._offers: list[dict[Group, tuple[Counter[ConvShape], Counter[ConvShape]]]] = []
        for group in siblings(plain):
            after = {part: _layers(apply(network, passes, (part,))) for part in _parts(group)}
            self._offers.append({p: (before - own, own - before) for p, own in after.items()})

    def worth(
        self, model: CostModel, rows: int, columns: int, restriction: Restriction
    ) -> tuple[Group, ...]:
        """Of each group the part that saves most, if any; cycles of each layer by itself."""
        array = as_arrays(rows, columns)

        @cache
        def least(conv: ConvShape) -> float:
            labels = restriction.allowed("", model.labels(conv))
            return float(model.cycles(conv, labels, array).min())

        def cycles(layers: Counter[ConvShape]) -> float:
            return sum(count * least(conv) for conv, count in layers.items())

        chosen: list[Group] = []
        for offer in self._offers:
            gains = {part: cycles(old) - cycles(new) for part, (old, new) in offer.items()}
            part = max(gains, key=lambda part: gains[part])
            if gains[part] > 0:
                chosen.append(part)
        return tuple(chosen)


def _layers(workload: Workload) -> Counter[ConvShape]:
    return Counter(layer.conv for layer in workload.convolutions)


def _parts(group: Group) -> Iterator[Group]:
    """The group, and its parts of at least two members."""
    yield group
    if len(group) <= MOST_MEMBERS:
        for size in range(len(group) - 1, 1, -1):
            yield from combinations(group, size)
