"""Images in flight: which batches are told, what a share of a card has, which flights are best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from boards.board import U200, Board
from dse.cost import Infeasible
from dse.cycles.whole_program import program_cycles
from dse.explore.flights import Flight, explore_several, sizes, unbeaten
from dse.explore.objectives import Objective
from dse.explore.search import explore, predict
from dse.networks.builder import OutlineBuilder
from hw.isa.errors import InputError


def flight(overlays: int, images: int, cycles: int) -> Flight:
    return Flight(
        overlays=overlays,
        images=images,
        array="8x8",
        lanes=2,
        dsp=100,
        cycles=cycles,
        clock_hz=200e6,
    )


def test_latency_and_throughput() -> None:
    one = flight(2, 3, 600_000)
    assert one.latency_ms == 3.0
    assert one.images_per_second == 2000.0
    assert one.to_json()["images_per_second"] == 2000.0


def test_batches_up_to_one() -> None:
    assert [list(sizes(batch)) for batch in (1, 2, 3, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]


def test_the_front() -> None:
    fast, twice, late, slow = (
        flight(1, 1, 100),
        flight(1, 2, 190),
        flight(1, 4, 410),
        flight(2, 1, 150),
    )
    assert unbeaten([late, slow, twice, fast]) == (fast, slow)


def test_a_share_of_a_card() -> None:
    share = U200.share(4)
    assert (share.dsp, share.bram36, share.uram, share.lut) == (1710, 540, 240, 295_560)
    assert (share.memory_channels, share.clock_hz, share.name) == (1, U200.clock_hz, "u200")
    assert U200.share(1) == U200


@dataclass(frozen=True)
class Found:
    """An exploration as far as it matters here."""

    flights: tuple[Flight, ...]
    seconds: float = 1.0
    overlays: int = 1


def found(board: Board) -> Any:
    """Half of the card takes 1.8 times as long, a quarter too long; a third has no room."""
    count = U200.dsp // board.dsp
    if count == 3:
        raise Infeasible("an overlay", bound="uram", needed=2, available=1, remedy="less")
    return Found((flight(1, 1, [100, 180, 0, 410][count - 1]),))


@pytest.mark.parametrize(
    ("objective", "overlays"), [(Objective.LATENCY, 1), (Objective.THROUGHPUT, 2)]
)
def test_several_overlays(objective: Objective, overlays: int) -> None:
    best: Any = explore_several(found, U200, 4, objective)
    assert best.overlays == overlays
    assert [(f.overlays, f.dsp) for f in best.flights] == [(1, 100), (2, 200), (4, 400)]


def test_more_overlays_than_memory_channels() -> None:
    with pytest.raises(InputError, match="every overlay needs one"):
        explore_several(found, U200, 5, Objective.LATENCY)


def test_what_an_exploration_tells_is_of_the_programs() -> None:
    net = OutlineBuilder("small", (12, 12, 8))
    net.conv(net.conv("input", "first", 16, 3), "second", 16, 1)
    small = replace(U200, dsp=80)
    one = explore(
        net.build(), small, objective=Objective.THROUGHPUT, batch=3, array=(4, 6), certify=False
    )
    one = predict(one, net.build(), 3)
    assert [f.images for f in one.flights] == [1, 2, 3]
    assert one.execution is not None and one.configuration is not None
    (program,) = one.execution.programs
    assert one.flights[0].cycles == program_cycles(program, one.configuration).total
    assert one.flights[2].cycles < 3 * one.flights[0].cycles
    told = one.to_json()
    assert told["overlays"] == 1
    assert [f["images"] for f in told["in_flight"]] == [1, 2, 3]
    assert told["in_flight_pareto"][0] == told["in_flight"][0]
