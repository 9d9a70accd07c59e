"""cocotb and cocotbext-axi on the copy kernel: the same jobs as in C++, and failures are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cocotb_runner import BenchError, run_bench, run_job
from sim.fast.simulated_run import Timing
from tests.sim.copy_kernel import kernel, xor_job

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("stall", [pytest.param(0, marks=pytest.mark.slow), 40])
def test_a_job_with_random_stalls(stall: int, tmp_path: Path) -> None:
    job, expected = xor_job(4, timing=Timing(stall=stall, seed=2))
    runs = run_job(kernel(4), job, folder=tmp_path)
    assert [run.output for run in runs] == expected
    beats = len(expected[0]) // 4
    slowest = max(run.registers["cycles"] for run in runs)
    assert slowest > 1.6 * beats if stall else slowest < beats + 60


def test_a_failing_test_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="failing_bench: fails failed"):
        run_bench(kernel(4), "tests.sim.failing_bench", folder=tmp_path)


def test_a_missing_module_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="did not run"):
        run_bench(kernel(4), "tests.sim.no_such_bench", folder=tmp_path)
