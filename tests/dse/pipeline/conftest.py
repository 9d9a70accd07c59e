"""Small stages and synthetic candidates shared by the tests of the parallelism search."""

from collections.abc import Callable

import numpy as np
import pytest

from dse.pipeline.model.cost import Candidates
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Parallelism


def _conv(**changes: object) -> ConvStage:
    """A small 3 x 3 convolution; ``changes`` override its fields."""
    fields: dict[str, object] = {
        "name": "C",
        "n_in": 4,
        "n_out": 6,
        "size_in": 7,
        "size_out": 7,
        "kernel": 3,
        "stride": 1,
        "pad": 1,
    }
    return ConvStage(**{**fields, **changes})  # type: ignore[arg-type]


def _candidates(triples: np.ndarray) -> Candidates:
    """Candidates with given (cycles, dsp, ram) rows and parallelisms that only number them."""
    triples = np.asarray(triples, dtype=np.int64).reshape(-1, 3)
    number = np.arange(len(triples))
    return Candidates(
        par=Parallelism(para_in=number, para_out=number, para_seg=number, run=number),
        cycles=triples[:, 0],
        dsp=triples[:, 1],
        ram=triples[:, 2],
    )


STAGES = {
    "padded": _conv(),
    "grouped": _conv(n_in=3, n_out=8, groups=2),
    "strided": _conv(size_in=11, size_out=5, kernel=3, stride=2, pad=0),
    "first": _conv(n_in=3, size_in=19, size_out=5, kernel=5, stride=3, pad=0, n_out=4),
    "padded stride": _conv(size_in=12, size_out=6, kernel=3, stride=2, pad=1),
    "pointwise": _conv(size_in=5, size_out=5, kernel=1, pad=0),
}


@pytest.fixture(params=STAGES.values(), ids=STAGES.keys())
def stage(request: pytest.FixtureRequest) -> ConvStage:
    """One stage of every shape that matters."""
    return request.param


@pytest.fixture(scope="session")
def make_conv() -> Callable[..., ConvStage]:
    """A small 3 x 3 convolution, with fields changed by keyword."""
    return _conv


@pytest.fixture(scope="session")
def make_candidates() -> Callable[[np.ndarray], Candidates]:
    """Candidates from rows of (cycles, dsp, ram)."""
    return _candidates
