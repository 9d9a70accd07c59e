"""Steps 1 to 3 and 5."""

from collections.abc import Callable

import numpy as np
import pytest

from dse.pipeline import WindowError, Windows, load_network
from dse.pipeline.model.cost import Candidates
from dse.pipeline.windows import baseline_cycles, dsp_allocation, in_windows, workload_shares


def test_shares_allocation_and_baseline() -> None:
    network = load_network("alexnet")
    shares = workload_shares(network)
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == pytest.approx(223_948_800 / 665_784_864)
    assert sum(dsp_allocation(shares, 5520)) == pytest.approx(5520)
    assert baseline_cycles(network, 5520) == pytest.approx(665_784_864 / 5520)


def test_windows_are_closed_and_need_both(
    make_candidates: Callable[[np.ndarray], Candidates],
) -> None:
    rows = np.array(
        [
            [90, 10, 1],  # on the lower edge
            [110, 11, 2],  # on the upper edges
            [89, 10, 3],  # too fast
            [111, 10, 4],  # too slow
            [100, 8, 5],  # too few DSP
            [100, 12, 6],  # too many DSP
        ]
    )
    kept = in_windows(
        make_candidates(rows),
        baseline=100,
        allocation=10,
        windows=Windows(alpha=0.1000001, beta=0.1000001),
    )
    assert kept.ram.tolist() == [1, 2]


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_windows(value: float) -> None:
    with pytest.raises(WindowError, match="alpha must be a number of 0 or more"):
        Windows(alpha=value)
    with pytest.raises(WindowError, match="beta must be a number of 0 or more"):
        Windows(beta=value)


def test_widening() -> None:
    assert Windows(alpha=0.2, beta=0.4).widened(1.5) == Windows(alpha=0.2 * 1.5, beta=0.4 * 1.5)
