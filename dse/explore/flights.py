"""Images in flight: what latency and throughput a card has by overlays and images of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.cost import Infeasible
from dse.explore.card import Card
from dse.explore.objectives import Objective
from dse.mapping.front import front
from hw.isa.errors import InputError

if TYPE_CHECKING:
    from dse.explore.exploration import Exploration


@dataclass(frozen=True, kw_only=True)
class Flight:
    """Equal overlays on a card, each of which runs so many images at a time.

    Members
    -------
    array : rows x columns of each overlay; ``dsp``: of all.
    cycles : of a run, exact.
    """

    overlays: int
    images: int
    array: str
    lanes: int
    dsp: int
    cycles: int
    clock_hz: float

    @property
    def latency_ms(self) -> float:
        """Of each image: all of a run are there when it ends."""
        return self.cycles / self.clock_hz * 1e3

    @property
    def images_per_second(self) -> float:
        """Of all overlays; the host's time between runs is not told."""
        return self.overlays * self.images * self.clock_hz / self.cycles

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        rates = {"latency_ms": self.latency_ms, "images_per_second": self.images_per_second}
        return {**vars(self), **rates}


def sizes(batch: int) -> Iterator[int]:
    """The batches that are told of up to one: powers of two, and itself."""
    size = 1
    while size < batch:
        yield size
        size *= 2
    yield batch


def unbeaten(flights: Sequence[Flight]) -> tuple[Flight, ...]:
    """Those that no other beats in both latency and throughput; latencies ascend."""
    latencies = np.array([flight.latency_ms for flight in flights])
    rates = np.array([flight.images_per_second for flight in flights])
    return tuple(flights[index] for index in front(latencies, -rates))


def explore_several(
    search: Callable[[Card], Exploration], board: Card, overlays: int, objective: Objective
) -> Exploration:
    """Up to so many equal overlays on a card; the best by the objective, with the flights of all.

    ``search``: explores a share of the card, and predicts its flights.  A number of overlays that
    finds no room is left out.
    """
    if overlays > board.memory_channels:
        raise InputError(
            f"--overlays {overlays}: {board.name} has {board.memory_channels} memory channel(s), "
            "and every overlay needs one"
        )
    found = [search(board)]
    for count in range(2, overlays + 1):
        try:
            one = search(board.share(count))
        except Infeasible:
            continue
        own = [replace(f, overlays=count, dsp=count * f.dsp) for f in one.flights]
        found.append(replace(one, overlays=count, flights=tuple(own)))
    best = found[0]
    if objective is Objective.THROUGHPUT:
        best = max(found, key=lambda one: one.flights[-1].images_per_second)
    flights = tuple(flight for one in found for flight in one.flights)
    return replace(best, flights=flights, seconds=sum(one.seconds for one in found))
