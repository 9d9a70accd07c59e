"""Which sibling convolutions to merge, on a given array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations

from dse.cost import CostModel, as_arrays
from dse.mapping import Restriction
from dse.network.conv_shape import ConvShape
from dse.network.graph import Network
from dse.passes import PassError, Passes, apply, layer_shapes, siblings
from dse.passes.merge import Group

MOST_MEMBERS = 4
"""Of groups whose every part is tried; larger ones are merged as a whole or not at all."""


class Merges:
    """The merges that a network offers, and what each changes; the same for every array.

    A merged tensor's readers lose the contiguity of their rows, so that it can pay to leave some
    siblings alone.
    """

    def __init__(self, network: Network, passes: Passes) -> None:
        self._network, self._passes = network, passes
        plain = apply(network, passes, ())
        before = _layers(plain)
        self._offers: list[dict[Group, tuple[Counter[ConvShape], Counter[ConvShape]]]] = []
        for group in siblings(plain):
            after = {part: self._merged((part,)) for part in _parts(group)}
            changes = {part: _layers(made) for part, made in after.items() if made is not None}
            self._offers.append({p: (before - own, own - before) for p, own in changes.items()})

    def worth(
        self, model: CostModel, rows: int, columns: int, restriction: Restriction
    ) -> tuple[Group, ...]:
        """Of each group the part that saves most, if any; of these what can be laid out together.

        Cycles are those of each layer by itself.
        """
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
            part = max(gains, key=lambda part: gains[part], default=())
            if part and gains[part] > 0:
                chosen.append(part)
        if self._merged(chosen) is not None:
            return tuple(chosen)
        together: tuple[Group, ...] = ()
        for part in chosen:
            if self._merged((*together, part)) is not None:
                together = (*together, part)
        return together

    def _merged(self, groups: Sequence[Group]) -> Network | None:
        """The graph with these groups merged; None if that cannot be laid out without a copy."""
        try:
            return apply(self._network, self._passes, groups)
        except PassError:
            return None


def _layers(network: Network) -> Counter[ConvShape]:
    return Counter(layer_shapes(network).values())


def _parts(group: Group) -> Iterator[Group]:
    """The group, and its parts of at least two members."""
    yield group
    if len(group) <= MOST_MEMBERS:
        for size in range(len(group) - 1, 1, -1):
            yield from combinations(group, size)
