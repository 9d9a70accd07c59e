"""Steps 1 to 3 and 5: the fair share of every stage, and the windows around it."""

import math
from dataclasses import dataclass

import numpy as np

from dse.pipeline.model.cost import Candidates
from dse.pipeline.model.layer import Chain
from dse.pipeline.model.search_error import WindowError


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How far a candidate may lie from its fair share. The paper does not publish its values.

    Parameters
    ----------
    alpha : float
        Largest relative distance of the cycles from the baseline.
    beta : float
        Largest relative distance of the DSP blocks from the stage's allocation.
    """

    alpha: float = 0.1
    beta: float = 0.1

    def __post_init__(self) -> None:
        for field in ("alpha", "beta"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0):
                raise WindowError(f"{field} must be a number of 0 or more, not {value!r}")

    def widened(self, factor: float) -> "Windows":
        """Both windows ``factor`` times as wide."""
        return Windows(alpha=self.alpha * factor, beta=self.beta * factor)


def workload_shares(network: Chain) -> tuple[float, ...]:
    """Step 1: gamma_i = OP_i / OP_total."""
    return tuple(stage.macs / network.macs for stage in network.stages)


def dsp_allocation(shares: tuple[float, ...], dsp: int) -> tuple[float, ...]:
    """Step 2: DSP_i_alloc = gamma_i DSP_total, in DSP blocks."""
    return tuple(share * dsp for share in shares)


def baseline_cycles(network: Chain, multipliers: int) -> float:
    """Step 3: cycle_baseline = OP_total / DSP_total, the period when every multiplier is busy.

    No less than the pixels of the largest map, of which one enters a stage in a cycle.
    """
    return max(
        network.macs / multipliers, *(stage.size_in**2 / stage.images for stage in network.stages)
    )


def in_windows(
    candidates: Candidates, *, baseline: float, allocation: float, windows: Windows
) -> Candidates:
    """Step 5: the candidates near the baseline and near the allocation of their stage."""
    cycles = np.abs(candidates.cycles / baseline - 1) <= windows.alpha
    dsp = np.abs(candidates.dsp / allocation - 1) <= windows.beta
    return candidates.take(np.flatnonzero(cycles & dsp))
