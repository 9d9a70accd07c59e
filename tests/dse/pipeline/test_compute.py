"""Cycles and DSP blocks of a stage."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.pipeline import DeviceError, Granule, load_device
from dse.pipeline.model.compute import cycles, dsp_blocks
from dse.pipeline.model.device import Pairing
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Parallelism, parallelisms


def _conv(groups: int) -> ConvStage:
    return ConvStage(
        name="C", n_in=4, n_out=12, size_in=7, size_out=7, kernel=3, pad=1, groups=groups
    )


def _one(para_in: int, para_out: int, para_seg: int) -> Parallelism:
    def column(value: int) -> np.ndarray:
        return np.array([value])

    return Parallelism(
        para_in=column(para_in),
        para_out=column(para_out),
        para_seg=column(para_seg),
        run=column(1),
    )


@pytest.mark.parametrize("granule", Granule)
def test_schedule_covers_every_mac_in_the_predicted_cycles(
    stage: ConvStage, granule: Granule
) -> None:
    """Play the schedule: every cycle offers para_in para_out para_seg products."""
    par = parallelisms(stage, granule)
    for index in np.linspace(0, len(par) - 1, 5).astype(int):
        one = par.take(np.array([index]))
        width_in, width_out = int(one.para_in[0]), int(one.para_out[0])
        segments = int(one.para_seg[0])
        granules = granule.count(stage)
        steps = product(
            range(0, stage.n_in, width_in),
            range(0, stage.n_out, width_out),
            range(0, granules, segments),
            range(granule.pixels(stage)),
            range(stage.kernel**2),
        )
        spent = covered = 0
        for first_in, first_out, first_granule, _, _ in steps:
            spent += 1
            covered += (
                min(width_in, stage.n_in - first_in)
                * min(width_out, stage.n_out - first_out)
                * min(segments, granules - first_granule)
            )
        assert spent == cycles(stage, granule, one)[0]
        assert covered == stage.macs


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_blocks_offer_enough_products(para_in: int, para_out: int, para_seg: int) -> None:
    stage = _conv(1)
    par = _one(para_in, para_out, para_seg)
    products = para_in * para_out * para_seg
    assert dsp_blocks(stage, Pairing.SINGLE, par)[0] == products
    assert dsp_blocks(stage, Pairing.INDEPENDENT, par)[0] == -(-products // 2)
    shared = dsp_blocks(stage, Pairing.SHARED, par)[0]
    assert products <= 2 * shared <= 2 * products


def test_packed_products_need_a_common_operand() -> None:
    stage = _conv(1)
    assert dsp_blocks(stage, Pairing.SHARED, _one(5, 1, 1))[0] == 5  # nothing to share with
    assert dsp_blocks(stage, Pairing.SHARED, _one(5, 2, 1))[0] == 5  # channels share the activation
    assert dsp_blocks(stage, Pairing.SHARED, _one(5, 1, 2))[0] == 5  # segments share the weight
    assert dsp_blocks(stage, Pairing.SHARED, _one(1, 3, 4))[0] == 6  # the even side pairs


def test_channels_of_different_groups_share_no_activation() -> None:
    """Three groups of 4 channels: tiles of 3 put the first border between places 0 and 1."""
    stage = _conv(3)
    assert dsp_blocks(stage, Pairing.SHARED, _one(1, 4, 1))[0] == 2
    assert dsp_blocks(stage, Pairing.SHARED, _one(1, 6, 1))[0] == 3  # borders between pairs
    assert dsp_blocks(stage, Pairing.SHARED, _one(1, 3, 1))[0] == 3
    assert dsp_blocks(stage, Pairing.SHARED, _one(1, 3, 2))[0] == 3  # segments share the weight


def test_pairings_of_the_devices() -> None:
    arria, kcu1500 = load_device("arria10gt1150"), load_device("kcu1500")
    assert arria.pairing(bits=16) is Pairing.INDEPENDENT
    assert arria.pairing(bits=16, per_dsp=1) is Pairing.SINGLE
    assert kcu1500.pairing(bits=8) is Pairing.SINGLE
    assert kcu1500.pairing(bits=8, per_dsp=2) is Pairing.SHARED
    with pytest.raises(DeviceError, match="two products per DSP need 8 bits or fewer, not 16"):
        kcu1500.pairing(bits=16, per_dsp=2)
    with pytest.raises(DeviceError, match="must be 1 or 2, not 3"):
        kcu1500.pairing(bits=8, per_dsp=3)
