"""The execution order: layers that wait for each other are kept apart by others that need not.

A layer that reads its predecessor's result waits until the array has emptied; a layer of another
branch in between hides that.  This is list scheduling (Graham 1969) on the two engines that
compute.  An engine that is free takes what is ready, and what becomes ready soon then waits for all
of it; where letting it wait makes the whole shorter, it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush

from dse.compile.layers import ConvLayer, Layer, Role
from dse.compile.lifetime import completions
from dse.network.graph import Network
from hw.isa.config import OverlayConfig

Needs = Sequence[frozenset[int]]
"""The layers whose results each layer reads."""


def interleave(
    network: Network, layers: Sequence[Layer], cycles: Sequence[int], config: OverlayConfig
) -> tuple[Layer, ...]:
    """The layers in an order that shortens the whole; ``cycles``: of each, its engine's own."""
    needs = dependencies(network, layers)
    on_array = [isinstance(layer, ConvLayer) for layer in layers]
    latencies = [config.rows + config.columns if array else 0 for array in on_array]
    scheduler = Scheduler(needs, cycles, latencies, on_array)
    return tuple(layers[index] for index in scheduler.best())


def dependencies(network: Network, layers: Sequence[Layer]) -> list[frozenset[int]]:
    """The layers whose results each layer reads."""
    complete = completions(network, layers)
    return [
        frozenset().union(
            *(
                complete[tensor]
                for role, tensor in layer.operands.items()
                if role is not Role.TARGET
            )
        )
        for layer in layers
    ]


@dataclass(frozen=True)
class _Schedule:
    """When each layer starts, in the order of their starts on each engine; ``end``: of the last."""

    starts: dict[int, int]
    end: int


class _Engine:
    """The layers that an engine may take: those that are ready before it is free, and others.

    ``behind``: cycles of the longest chain that starts with each layer.
    """

    def __init__(self, behind: Sequence[int]) -> None:
        self._behind, self._free = behind, 0
        self._ready: list[tuple[int, int]] = []
        self._later: list[tuple[int, int, int]] = []

    def add(self, layer: int, ready: int) -> None:
        """A layer that can start from a cycle on."""
        heappush(self._later, (ready, -self._behind[layer], layer))

    def first(self) -> tuple[int, int, int] | None:
        """The start of the layer that can start first, less what is behind it, and its number."""
        while self._later and self._later[0][0] <= self._free:
            heappush(self._ready, heappop(self._later)[1:])
        if self._ready:
            return (self._free, *self._ready[0])
        return self._later[0] if self._later else None

    def take(self, done: int) -> None:
        """That layer, until a cycle."""
        if self._ready:
            heappop(self._ready)
        else:
            heappop(self._later)
        self._free = done


@dataclass(frozen=True, eq=False)
class Scheduler:
    """Orders of layers, by their numbers.

    ``cycles``: of each on its engine, the array if ``on_array``; ``latencies``: from a layer's last
    operands to its last result in memory.
    """

    needs: Needs
    cycles: Sequence[int]
    latencies: Sequence[int]
    on_array: Sequence[bool]

    def best(self) -> list[int]:
        """The greedy order, with waits that shorten it, one by one."""
        needs, best = list(self.needs), self.greedy()
        tried: set[tuple[int, int]] = set()
        while True:
            waits = [pair for pair in self._kept_waiting(best) if pair not in tried]
            if not waits:
                return list(best.starts)
            tried.add(waits[0])
            early, late = waits[0]
            changed = [*needs]
            changed[early] |= {late}
            found = self._listed(changed)
            circular = len(found.starts) < len(needs)  # one waits for itself
            if found.end < best.end and not circular:
                needs, best = changed, found

    def greedy(self) -> _Schedule:
        """The layer that can start first comes next; of several, the one with most behind it."""
        return self._listed(self.needs)

    def _listed(self, needs: Needs) -> _Schedule:
        readers: list[list[int]] = [[] for _ in needs]
        for index, before in enumerate(needs):
            for one in before:
                readers[one].append(index)
        missing = [len(before) for before in needs]
        engines = {array: _Engine(self._behind) for array in (True, False)}
        for index, count in enumerate(missing):
            if not count:
                engines[self.on_array[index]].add(index, 0)
        starts: dict[int, int] = {}
        finish: dict[int, int] = {}
        while offers := [found for engine in engines.values() if (found := engine.first())]:
            start, _, chosen = min(offers)
            done = start + self.cycles[chosen]
            engines[self.on_array[chosen]].take(done)
            starts[chosen], finish[chosen] = start, done + self.latencies[chosen]
            for reader in readers[chosen]:
                missing[reader] -= 1
                if not missing[reader]:
                    ready = max(finish[one] for one in needs[reader])
                    engines[self.on_array[reader]].add(reader, ready)
        return _Schedule(starts, max(finish.values(), default=0))

    @cached_property
    def _behind(self) -> list[int]:
        """Cycles of the longest chain of layers that starts with each."""
        ways = list(self.cycles)
        for index in reversed(range(len(self.needs))):
            for before in self.needs[index]:
                ways[before] = max(ways[before], self.cycles[before] + ways[index])
        return ways

    def _kept_waiting(self, schedule: _Schedule) -> Iterator[tuple[int, int]]:
        """Layers that kept the next one of their engine waiting, with it."""
        starts = schedule.starts
        before: dict[bool, int] = {}
        for late in starts:
            ends = (
                starts[one] + self.cycles[one] + self.latencies[one] for one in self.needs[late]
            )
            early = before.get(self.on_array[late])
            if early is not None and max(ends, default=0) < starts[early] + self.cycles[early]:
                yield early, late
            before[self.on_array[late]] = late
