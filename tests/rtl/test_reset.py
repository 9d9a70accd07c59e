"""The reset pin in the middle of a run: the overlay is as new afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from hw.isa.register_map import REGISTERS, Access
from sim.fast.simulated_run import Timing
from tests.rtl.overlays import simulation
from tests.rtl.test_errors import Target

pytestmark = pytest.mark.rtl


COUNTED = [name for name, one in REGISTERS.items() if one.access is Access.READ_ONLY]
SLOW_MEMORY = Timing(latency=200)  # at any time bursts are under way
STALLS = Timing(latency=30, stall=40)


@pytest.fixture(params=["2x2", "winograd2"], scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    return Target(request.param)


def check(target: Target, cuts: Iterable[int], timing: Timing) -> None:
    """A run behind a reset is right, and but for random stalls the very first one again."""
    jobs = [target.broken(timing=timing, cut=cut) for cut in cuts]
    first, *others = simulation(target.name).run(target.broken(timing=timing), *jobs)
    target.verify([first, *others])
    if timing.stall:
        return
    for one in others:
        assert all(one.registers[name] == first.registers[name] for name in COUNTED)
        assert one.beats == first.beats
        assert one.events["cycle"].tolist() == first.events["cycle"].tolist()


@pytest.mark.parametrize("timing", [SLOW_MEMORY, STALLS], ids=["slow", "stalls"])
def test_a_reset_in_a_run(target: Target, timing: Timing) -> None:
    (whole,) = target.run([target.broken(timing=timing)])
    drawn = random.Random(1).sample(range(whole.cycles), 16)
    check(target, [1, *drawn, whole.cycles - 1, whole.cycles + 5], timing)


@pytest.mark.slow
@pytest.mark.parametrize("timing", [SLOW_MEMORY, STALLS], ids=["slow", "stalls"])
def test_resets_all_over_a_run(target: Target, timing: Timing) -> None:
    (whole,) = target.run([target.broken(timing=timing)])
    check(target, range(0, whole.cycles + 20, 11), timing)
