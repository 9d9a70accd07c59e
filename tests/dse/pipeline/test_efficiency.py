"""R1 and R2 by the definition that fits the five published systems."""

import pytest

from benchmarks.published import load_published
from dse.pipeline import Budget, cost_model, load_device, load_network
from dse.pipeline.chip_budget import UNLIMITED, plan_candidates
from dse.pipeline.efficiency import gops, pipeline_efficiency
from dse.pipeline.knapsack import affordable, fits
from dse.pipeline.model.plan import plans

ROWS = load_published()
HALF_DIGIT = 0.0005


def efficiency(*, gops: float, mhz: float, multipliers: int) -> float:
    """R1 or R2 by their definition."""
    return gops * 1000 / (2 * mhz * multipliers)


def test_alexnet_convolutions() -> None:
    assert load_network("alexnet").macs == 665_784_864


def test_kcu1500_throughput_gives_published_r1() -> None:
    r1 = efficiency(gops=2425.5, mhz=230, multipliers=5520)
    assert r1 == pytest.approx(0.955, abs=HALF_DIGIT)


def test_clock_cancels() -> None:
    throughput = gops(macs=665_784_864, cycles=121_968, mhz=230)
    by_clock = efficiency(gops=throughput, mhz=230, multipliers=5520)
    direct = pipeline_efficiency(macs=665_784_864, cycles=121_968, multipliers=5520)
    assert by_clock == pytest.approx(direct, rel=1e-12)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_published_row_is_a_possible_pipeline(row: dict) -> None:
    """R1 gives the period, R2 the multipliers in use; both together must be buildable.

    The period is MAC / (R1 multipliers on the chip) and the multipliers used are R1 / R2 of them.
    With this reading, Arria's DSP blocks counted as two multipliers, a design of that period exists
    within the multipliers used; one of half the period does not.
    """
    network, device = load_network("alexnet"), load_device(row["name"])
    model = cost_model(device)
    chip = row["dsp"] * row["multipliers_per_dsp"]
    assert (device.dsp, model.pairing.products) == (row["dsp"], row["multipliers_per_dsp"])
    slowest = int(network.macs / ((row["R1"] - HALF_DIGIT) * chip))
    most_used = (row["R1"] + HALF_DIGIT) / (row["R2"] - HALF_DIGIT) * row["dsp"]
    assert most_used <= row["dsp"]
    budget = Budget(dsp=int(most_used), ram=UNLIMITED)
    table = plan_candidates(network, plans(network)[:1], model)[0]
    stages = [affordable(stage, budget) for stage in table]
    assert fits(stages, slowest, budget)
    assert not fits(stages, slowest // 2, budget)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_r2_is_r1_over_the_share_in_use(row: dict) -> None:
    chip = row["dsp"] * row["multipliers_per_dsp"]
    used = chip * row["R1"] / row["R2"]
    throughput = row["R1"] * 2 * 200 * chip / 1000
    assert efficiency(gops=throughput, mhz=200, multipliers=chip) == pytest.approx(row["R1"])
    assert efficiency(gops=throughput, mhz=200, multipliers=used) == pytest.approx(row["R2"])
