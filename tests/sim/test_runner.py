"""The C++ harness, on a small kernel with the overlay's ports."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw.isa import Engine, Error
from sim.fast.simulated_run import DDR, DECERR, Timing
from sim.runner import FastSimulation, SimulationError
from sim.verilator import build_folder
from tests.sim.copy_kernel import BEATS, HASTY, TAG, kernel, xor_job

pytestmark = pytest.mark.rtl


@functools.cache
def simulation(data_bytes: int, *, waves: bool = False) -> FastSimulation:
    return FastSimulation(kernel(data_bytes), tensor_bytes=1 << 14, waves=waves)


@pytest.mark.parametrize("data_bytes", [4, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("timing", [Timing(), DDR, Timing(stall=40, seed=3, outstanding=3)])
def test_regions_outputs_and_trace(data_bytes: int, timing: Timing) -> None:
    made, expected = xor_job(data_bytes, timing=timing)
    runs = simulation(data_bytes).run(made, made)
    assert [run.output for run in runs] == 2 * expected
    for run, output in zip(runs, 2 * expected, strict=True):
        assert run.error == Error.NONE
        assert run.beats == {"read0": BEATS + 1, "read1": BEATS, "write0": BEATS}
        assert run.bursts == {"read0": 1 + 3, "read1": 3, "write0": 3}
        assert [tuple(event)[2:] for event in run.events] == [
            (Engine.LOAD, 0, 0),
            (Engine.STORE, 1, TAG),
        ]
        (dump,) = run.dumps
        assert dump is not None
        beats = np.frombuffer(output, np.int8).reshape(BEATS, data_bytes)
        assert np.array_equal(dump, beats[1:-1:2])
        assert run.events["cycle"][1] - run.events["cycle"][0] == run.cycles


def test_latency_and_bandwidth_are_felt() -> None:
    def cycles(timing: Timing) -> int:
        made, _ = xor_job(4, timing=timing)
        return simulation(4).run(made)[0].cycles

    ideal = cycles(Timing())
    assert BEATS < ideal < BEATS + 60
    assert 190 < cycles(Timing(latency=100)) - ideal < 300  # program, then data, then the response
    assert abs(cycles(Timing(rate=256)) - 4 * BEATS) < 100


def test_stalls_follow_the_seed() -> None:
    def cycles(seed: int) -> list[int]:
        made, _ = xor_job(4, timing=Timing(stall=30, seed=seed))
        found = [run.cycles for run in simulation(4).run(made)]
        assert len(set(found)) > 1  # each run has stalls of its own
        return found

    assert cycles(1) == cycles(1) != cycles(2)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("error_read0", Error.BUS_READ),
        ("error_read1", Error.BUS_READ),
        ("error_write", Error.BUS_WRITE),
    ],
)
def test_an_error_response_is_injected_once(fault: str, error: Error) -> None:
    bad, _ = xor_job(4, timing=Timing(**{fault: 1}))
    good, _ = xor_job(4)
    runs = simulation(4).run(bad, good)
    assert [run.error for run in runs] == 3 * [error] + 3 * [Error.NONE]


@pytest.mark.parametrize(
    ("fault", "injected"),
    [
        ({"error_read1": 1, "error_port": 0}, True),
        ({"error_read1": 1, "error_port": 1}, False),  # it has no such port
        ({"error_read1": 2, "error_beat": 100, "error_response": DECERR}, True),  # its last beat
        ({"error_read1": 3}, False),  # no such burst
    ],
)
def test_an_error_response_where_it_is_asked_for(fault: dict[str, int], injected: bool) -> None:
    for run in simulation(4).run(xor_job(4, timing=Timing(**fault))[0]):
        assert (run.error is Error.BUS_READ) == injected


@pytest.mark.parametrize("timing", [Timing(latency=60), Timing(stall=40, seed=3)])
def test_a_reset_forgets_what_was_under_way(timing: Timing) -> None:
    """In the overlay and in the memory: the run behind it is as the first one ever."""
    made, expected = xor_job(4, timing=timing)
    (first, *_) = simulation(4).run(made)
    for cut in (3, 40, 90, 150, first.cycles - 3):
        runs = simulation(4).run(replace(made, cut=cut))
        assert [run.output for run in runs] == expected
        assert runs[0].cycles == first.cycles


def test_bursts_that_an_idle_overlay_left_are_found() -> None:
    made, _ = xor_job(4, timing=Timing(latency=1000))
    hasty = made.with_program((BEATS | 1 << HASTY).to_bytes(4, "little"))
    with pytest.raises(SimulationError, match="the overlay is idle with"):
        simulation(4).run(hasty)


def test_a_hang_ends_or_is_reported() -> None:
    made, expected = xor_job(4, timing=Timing(hang_at=50, hang_for=5000))
    runs = simulation(4).run(made)
    assert all(5000 < run.cycles < 5500 for run in runs)
    assert [run.output for run in runs] == expected
    made, _ = xor_job(4, timing=Timing(hang_at=50, hang_for=1 << 40), limit=3000)
    with pytest.raises(SimulationError, match="did not end within 3000 cycles; under way: LOAD"):
        simulation(4).run(made)


def test_writes_beyond_the_output_are_found() -> None:
    made, _ = xor_job(4)
    short = replace(made, output_bytes=made.output_bytes - 4)
    with pytest.raises(SimulationError, match="run 0 wrote outside of its output region"):
        simulation(4).run(short)


@pytest.mark.slow
def test_waves_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMAP_BUILD", str(build_folder().parent))
    monkeypatch.chdir(tmp_path)
    simulation(4, waves=True).run(xor_job(4)[0])
    assert "$enddefinitions" in (tmp_path / "waves.vcd").read_text()


@pytest.mark.parametrize(
    ("name", "value"), [("latency", -1), ("rate", 0), ("stall", 100), ("outstanding", 0)]
)
def test_timing_is_checked(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be in \[.*\], not {value}"):
        Timing(**{name: value})
