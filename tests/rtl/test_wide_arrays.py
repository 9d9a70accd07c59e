"""Many columns over few rows: layers follow each other while results and words are on their way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.choices import all_choices
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.tile_form import Tile
from hw.isa import Dataflow
from tests.rtl.algorithms import overlay
from tests.rtl.overlays import OVERLAYS, Case, job, verify
from tests.sim.test_functional import Builder

pytestmark = pytest.mark.rtl

# Pooling, tables and products are the least: with 64 lanes they are a third of what is compiled.
WIDE = replace(
    OVERLAYS["winograd2"],
    rows=2,
    columns=64,
    tensor_bytes=1 << 15,
    tensor_copies=2,
    weight_words=256,
    parameter_depth=256,
    scratch_words=2048,
    pool_lanes=1,
    tables=0,
    products=0,
    pairs=0,
    normalisation=0,
)
Layer = tuple[int, int, int, Choice]  # channels, kernel, stride, how
IS, WS, NS = (Choice(flow) for flow in (Dataflow.IS, Dataflow.WS, Dataflow.NS))
KN2ROW = Choice(Dataflow.WS, ConvAlgorithm.KN2ROW)


def tiles(flow: Choice, tile: Tile) -> Choice:
    """Winograd in the dataflow."""
    return replace(flow, algorithm=ConvAlgorithm.WINOGRAD, tile=tile)


def siblings(size: tuple[int, int], cin: int, layers: list[Layer]) -> Network:
    """Convolutions of one tensor, none of which waits for another."""
    net = Builder(np.random.default_rng(0))
    x = net.input(*size, cin)
    return net.build(
        *(
            net.conv(x, cout, Window((k, k), stride=(step, step), padding=(k // 2,) * 4))
            for cout, k, step, _ in layers
        )
    )


@pytest.mark.slow  # a minute to build
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    st.integers(1, 4),
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3, 5, 9, 17, 40, 67]),
            st.sampled_from([1, 2, 3, 5]),
            st.sampled_from([1, 1, 2]),
            st.sampled_from(all_choices(WIDE)),
        ),
        min_size=2,
        max_size=4,
    ),
)
# IS ends while its last burst turns words for further columns.
@example((5, 5), 2, [(3, 1, 1, IS), (9, 1, 1, tiles(WS, 4))])
@example((5, 5), 2, [(3, 1, 1, IS), (9, 3, 1, NS)])
@example((5, 5), 2, [(3, 1, 1, IS), (9, 1, 1, WS)])
# IS delivers a group sooner than a drained word has passed all columns.
@example((4, 7), 1, [(9, 3, 1, tiles(WS, "1x4")), (9, 2, 1, tiles(WS, "4x1")), (3, 1, 1, IS)])
@example((3, 5), 1, [(3, 3, 1, tiles(IS, "1x4")), (9, 3, 1, tiles(WS, 4)), (2, 1, 1, IS)])
# So does the output turn.
@example((1, 5), 3, [(9, 3, 1, tiles(IS, "1x4")), (40, 1, 1, KN2ROW), (1, 1, 1, tiles(IS, "1x4"))])
@example(
    (1, 3), 1, [(9, 3, 1, tiles(WS, 2)), (40, 1, 1, tiles(WS, 4)), (2, 1, 1, tiles(IS, "1x4"))]
)
def test_layers_follow_each_other(size: tuple[int, int], cin: int, layers: list[Layer]) -> None:
    case = Case(siblings(size, cin, layers), tuple(choice for *_, choice in layers))
    program = case.compile(WIDE)
    (run,) = overlay(WIDE).run(job(case, program))
    verify(case, program, iter([run]))
    assert run.cycles == program_cycles(program, WIDE).total
