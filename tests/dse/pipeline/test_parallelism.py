"""The knees of a parallelism, and that they lose nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.pipeline import ChainError, Granule
from dse.pipeline.dominance import pareto_indices
from dse.pipeline.model.buffers import buffers
from dse.pipeline.model.compute import cycles, dsp_blocks
from dse.pipeline.model.device import Pairing
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.loads import load_device
from dse.pipeline.model.parallelism import Parallelism, full_product, knees, parallelisms
from hw.stages.scheme import Scheme


@settings(deadline=None)
@given(st.integers(1, 3000))
def test_knees_are_the_least_divisor_of_each_quotient(count: int) -> None:
    least: dict[int, int] = {}
    for divisor in range(1, count + 1):
        least.setdefault(-(-count // divisor), divisor)
    assert knees(count).tolist() == sorted(least.values())


def _every_parallelism(stage: ConvStage, granule: Granule) -> Parallelism:
    granules = granule.count(stage)
    axes = [np.arange(1, n + 1) for n in (stage.n_in, stage.n_out, granules)]
    para_in, para_out, run = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    return Parallelism(para_in=para_in, para_out=para_out, para_seg=-(-granules // run), run=run)


def _front(stage: ConvStage, scheme: Scheme, granule: Granule, par: Parallelism) -> set:
    ram = load_device("kcu1500").ram
    memory = buffers(stage, scheme, granule, par, ram=ram, bits=16).total
    triples = np.stack(
        [cycles(stage, granule, par), dsp_blocks(Pairing.SINGLE, par), memory], axis=1
    )
    return {tuple(row) for row in triples[pareto_indices(triples)].tolist()}


@pytest.mark.parametrize("granule", Granule)
@pytest.mark.parametrize("scheme", Scheme)
def test_knees_lose_no_pareto_point(stage: ConvStage, scheme: Scheme, granule: Granule) -> None:
    every = _every_parallelism(stage, granule)
    assert len(every) == full_product(stage, granule)
    at_knees = parallelisms(stage, granule)
    assert len(at_knees) < len(every)
    assert _front(stage, scheme, granule, at_knees) == _front(stage, scheme, granule, every)


def test_too_many_candidates_is_one_clear_line(make_conv: Callable[..., ConvStage]) -> None:
    huge = make_conv(n_in=4096, n_out=4096, size_in=4096, size_out=4096)
    with pytest.raises(ChainError, match=r"layer C: .* candidates .* use --granularity row"):
        parallelisms(huge, Granule.PIXEL)
