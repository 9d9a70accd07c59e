"""The knees of a parallelism, and that they lose nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.pipeline import ChainError, Granule
from dse.pipeline.dominance import pareto_indices
from dse.pipeline.model.compute import cycles, dsp_blocks
from dse.pipeline.model.cost import StageModel, cost_model
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


def _front(stage: ConvStage, scheme: Scheme, model: StageModel, par: Parallelism) -> set:
    memory = model.buffers(stage, scheme, par).total
    blocks = dsp_blocks(stage, model.pairing, par)
    triples = np.stack([cycles(stage, model.granule, par), blocks, memory], axis=1)
    return {tuple(row) for row in triples[pareto_indices(triples)].tolist()}


@pytest.mark.parametrize(("bits", "per_dsp"), [(16, 1), (8, 2)])
@pytest.mark.parametrize("granule", Granule)
@pytest.mark.parametrize("scheme", Scheme)
def test_knees_lose_no_pareto_point(
    stage: ConvStage, scheme: Scheme, granule: Granule, bits: int, per_dsp: int
) -> None:
    model = cost_model(load_device("kcu1500"), bits=bits, granule=granule, per_dsp=per_dsp)
    every = _every_parallelism(stage, granule)
    assert len(every) == full_product(stage, granule)
    at_knees = parallelisms(stage, granule)
    assert len(at_knees) < len(every)
    assert _front(stage, scheme, model, at_knees) == _front(stage, scheme, model, every)


def test_too_many_candidates_is_one_clear_line(make_conv: Callable[..., ConvStage]) -> None:
    huge = make_conv(n_in=4096, n_out=4096, size_in=4096, size_out=4096)
    with pytest.raises(ChainError, match=r"layer C: .* candidates .* use --granularity row"):
        parallelisms(huge, Granule.PIXEL)
