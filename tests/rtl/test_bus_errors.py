"""An error response on any channel of any port ends a run; the next one computes correctly."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from hw.isa import Error
from sim.fast.simulated_run import DECERR, SLVERR, Timing
from tests.rtl.test_errors import Target, fails

pytestmark = pytest.mark.rtl


CHANNELS = {
    "error_read0": ("read0", Error.BUS_READ),
    "error_read1": ("read1", Error.BUS_READ),
    "error_write": ("write0", Error.BUS_WRITE),
}
FIRST, LAST = 0, 255  # beats of a burst
Fault = tuple[str, dict[str, int]]


@pytest.fixture(params=["2x2", "strips", "winograd2"], scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    """With one, two and four weight ports."""
    return Target(request.param)


def every_fault(target: Target) -> Iterator[Fault]:
    """To each burst of each port, both codes, from its first beat on or in its last alone."""
    (whole,) = target.run([target.broken()])
    for channel, (name, _) in CHANNELS.items():
        ports = range(target.config.weight_ports) if channel == "error_read1" else [0]
        for number, port, code, beat in itertools.product(
            range(whole.bursts[name]), ports, (SLVERR, DECERR), (FIRST, LAST)
        ):
            place = {channel: number, "error_port": port}
            yield channel, {**place, "error_response": code, "error_beat": beat}


def check(target: Target, faults: list[Fault], *, stall: int) -> None:
    """Each fault has its code, and the good program is right behind each."""
    timings = [Timing(stall=stall, seed=n, **fault) for n, (_, fault) in enumerate(faults)]
    runs = target.run([target.broken(timing=timing) for timing in timings])
    for one, (channel, _) in zip(runs, faults, strict=True):
        fails(one, CHANNELS[channel][1])


@pytest.mark.parametrize("stall", [0, 40])
def test_error_responses(target: Target, stall: int) -> None:
    """Drawn ones, and those of the first and the last burst of each channel."""
    faults = list(every_fault(target))
    ends = []
    for _, group in itertools.groupby(faults, key=lambda fault: fault[0]):
        first, *_, last = group
        ends += [first, last]
    check(target, ends + random.Random(stall).sample(faults, 20), stall=stall)


@pytest.mark.slow
@pytest.mark.parametrize("stall", [0, 40])
def test_all_error_responses(target: Target, stall: int) -> None:
    check(target, list(every_fault(target)), stall=stall)
