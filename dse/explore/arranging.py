"""What to do to the graph on a given array: siblings to merge, and results to copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, combinations

import numpy as np

from dse.cost import PoolShape, as_arrays
from dse.cost.between import pool_cycles
from dse.cost.overlay_model import OverlayModel
from dse.mapping import Restriction
from dse.network.conv_shape import ConvShape
from dse.network.graph import Conv, Network, Pool
from dse.passes import (
    Arrangement,
    PassError,
    Passes,
    apply,
    layer_shapes,
    pool_shape,
    rearrange,
    siblings,
)
from dse.passes.merge import Group

MOST_MEMBERS = 4
"""Of groups whose every part is tried; larger ones are merged as a whole or not at all."""


@dataclass(frozen=True)
class _Change:
    """The layers that an arrangement takes away, those that it brings, and the copies it needs."""

    before: Counter[ConvShape]
    after: Counter[ConvShape]
    copies: tuple[PoolShape, ...]


class Arrangements:
    """What a network offers, and what each offer changes; the same for every array.

    A merged tensor's readers lose the contiguity of their rows, so that it can pay to leave some
    siblings alone, or to copy their results; a result in a concatenation can be folded if it is
    copied there.
    """

    def __init__(self, network: Network, passes: Passes) -> None:
        self._passes = replace(passes, space_to_depth=False, pool_parts=False)
        self._base = rearrange(network, passes, Arrangement())
        plain = apply(self._base, self._passes, Arrangement())
        self._plain, self._pools = _layers(plain), _pools(plain)
        groups = siblings(plain) if passes.merge else ()
        gainers = _gainers(plain) if passes.apart else frozenset()
        offers = [[*_merging(group, gainers)] for group in groups]
        if passes.apart and passes.fold:
            for name, shape in layer_shapes(plain).items():
                if shape.unfolded and not shape.summand:
                    offers.append([Arrangement(apart=(name,))])
        self._offers: list[dict[Arrangement, _Change]] = []
        for offer in offers:
            changes = ((one, self._change(one)) for one in offer)
            self._offers.append({one: change for one, change in changes if change is not None})

    def worth(
        self,
        model: OverlayModel,
        rows: int,
        columns: int,
        restriction: Restriction,
        *,
        apart: bool = True,
    ) -> Arrangement:
        """Of each offer the best, if it saves cycles; of these what can be laid out together.

        ``apart``: results may be copied.

        Cycles are those of each layer by itself, and of the copies as if nothing hid them.
        """
        array = as_arrays(rows, columns)

        @cache
        def least(conv: ConvShape) -> float:
            labels = restriction.allowed("", model.labels(conv))
            return float(model.least(conv, labels, array)[0])

        @cache
        def copying(pool: PoolShape) -> float:
            return float(np.max(pool_cycles(pool, model.template, array[:, 1])))

        def gain(change: _Change) -> float:
            before, after = (
                sum(count * least(conv) for conv, count in layers.items())
                for layers in (change.before, change.after)
            )
            return before - after - sum(map(copying, change.copies))

        chosen: list[Arrangement] = []
        for offer in self._offers:
            gains = {one: gain(change) for one, change in offer.items() if apart or not one.apart}
            best = max(gains, key=lambda one: gains[one], default=Arrangement())
            if best != Arrangement() and gains[best] > 0:
                chosen.append(best)
        whole = _together(chosen)
        if self._arranged(whole) is not None:
            return whole
        found: list[Arrangement] = []
        for one in chosen:
            if self._arranged(_together([*found, one])) is not None:
                found.append(one)
        return _together(found)

    def _change(self, arrangement: Arrangement) -> _Change | None:
        network = self._arranged(arrangement)
        if network is None:
            return None
        layers = _layers(network)
        copies = (_pools(network) - self._pools).elements()
        return _Change(self._plain - layers, layers - self._plain, tuple(copies))

    def _arranged(self, arrangement: Arrangement) -> Network | None:
        """The graph behind it; None if that cannot be laid out without further copies."""
        try:
            return apply(self._base, self._passes, arrangement)
        except PassError:
            return None


def _together(arrangements: Sequence[Arrangement]) -> Arrangement:
    """All of them: merged layers are not copied for what they would gain alone."""
    groups = tuple(chain.from_iterable(one.groups for one in arrangements))
    merged = {name for group in groups for name in group}
    apart = (name for one in arrangements for name in one.apart if one.groups or name not in merged)
    return Arrangement(groups, tuple(apart))


def _gainers(network: Network) -> frozenset[str]:
    """Convolutions whose result a kernel of several columns reads: contiguous rows matter."""
    readers = network.consumers
    return frozenset(
        conv.name
        for conv in network.convolutions()
        if any(isinstance(op, Conv) and op.window.kernel[1] > 1 for op in readers[conv.output])
    )


def _merging(group: Group, gainers: frozenset[str]) -> Iterator[Arrangement]:
    """The group and its parts of at least two members, with some of the results copied."""
    for size in range(len(group), 1, -1):
        for part in combinations(group, size):
            able = [name for name in part if name in gainers]
            for count in range(len(able) + 1):
                for copied in combinations(able, count):
                    yield Arrangement((part,), copied)
        if len(group) > MOST_MEMBERS:
            return


def _layers(network: Network) -> Counter[ConvShape]:
    """Without the copies that follow: these count by themselves."""
    shapes = layer_shapes(network).values()
    return Counter(replace(one, pooled=None) if _is_copied(one) else one for one in shapes)


def _is_copied(conv: ConvShape) -> bool:
    pool = conv.pooled
    return pool is not None and pool.kind == "max" and pool.kernel == pool.stride == (1, 1)


def _pools(network: Network) -> Counter[PoolShape]:
    """Poolings and copies."""
    return Counter(pool_shape(network, op) for op in network.operators if isinstance(op, Pool))
