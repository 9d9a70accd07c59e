"""Many columns over few rows: layers follow each other while results and words are on their way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.choices import all_choices, fallback
from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm, LayerMapping
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from sim import golden
from sim.simulation import output_tensors, run_program
from tests.rtl.algorithms import overlay

pytestmark = pytest.mark.rtl

WIDE = OverlayConfig.raised(
    rows=2,
    columns=40,
    lanes=2,
    tensor_bytes=1 << 15,
    tensor_copies=2,
    accumulator_depth=256,
    weight_words=256,
    parameter_depth=256,
    axi_bytes=16,
    weight_ports=2,
    winograd="all",
    scratch_words=2048,
    watchdog_cycles=5000,
)
Layer = tuple[int, int, int, Choice]  # channels, kernel, stride, how
IS, WS, NS = (Choice(flow) for flow in (Dataflow.IS, Dataflow.WS, Dataflow.NS))


def winograd(flow: Dataflow, tile: int) -> Choice:
    return Choice(flow, ConvAlgorithm.WINOGRAD, tile)


def siblings(size: tuple[int, int], cin: int, layers: list[Layer]) -> Network:
    """Convolutions of one tensor, none of which waits for another."""
    rng = np.random.default_rng(0)
    quantisation = Quantisation(0.05, 3)
    tensors = {"x": Tensor("x", *size, cin, quantisation)}
    convs = []
    for index, (cout, kernel, stride, _) in enumerate(layers):
        pad = kernel // 2
        window = Window((kernel, kernel), stride=(stride, stride), padding=(pad,) * 4)
        weight = rng.integers(-127, 128, (cout, kernel, kernel, cin)).astype(np.int8)
        scale = np.full(cout, 0.01 / np.sqrt(weight[0].size))
        bias = rng.integers(-900, 900, cout).astype(np.int32)
        name, output = f"conv{index}", f"y{index}"
        numbers = Numbers(weight, scale, bias)
        convs.append(Conv(name=name, input="x", output=output, window=window, numbers=numbers))
        tensors[output] = Tensor(output, *window.output(*size), cout, quantisation)
    outputs = tuple(conv.output for conv in convs)
    return Network("siblings", tensors, tuple(convs), ("x",), outputs, "0" * 64)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    st.integers(1, 4),
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3, 5, 9, 17, 40, 43]),
            st.sampled_from([1, 2, 3, 5]),
            st.sampled_from([1, 1, 2]),
            st.sampled_from(all_choices(WIDE)),
        ),
        min_size=2,
        max_size=4,
    ),
)
# IS ends while its last burst turns words for further columns.
@example((5, 5), 2, [(3, 1, 1, IS), (9, 1, 1, winograd(Dataflow.WS, 4))])
@example((5, 5), 2, [(3, 1, 1, IS), (9, 3, 1, NS)])
@example((5, 5), 2, [(3, 1, 1, IS), (9, 1, 1, WS)])
# IS delivers a group sooner than a drained word has passed all columns.
@example((5, 5), 1, [(9, 1, 1, winograd(Dataflow.WS, 4)), (2, 1, 1, IS)])
@example((5, 5), 2, [(9, 1, 1, winograd(Dataflow.WS, 2)), (1, 1, 1, IS), (2, 3, 1, WS)])
# So does the output turn.
@example((2, 2), 1, [(40, 1, 1, WS), (1, 3, 1, winograd(Dataflow.IS, 2))])
def test_layers_follow_each_other(size: tuple[int, int], cin: int, layers: list[Layer]) -> None:
    network = siblings(size, cin, layers)
    choices = zip(network.convolutions(), layers, strict=True)
    mapping = {c.name: fallback(network, c, choice, WIDE) for c, (*_, choice) in choices}
    program = compile_network(network, WIDE, LayerMapping(mapping))
    image = {"x": np.random.default_rng(1).integers(-128, 128, (*size, cin)).astype(np.int8)}
    (run,) = run_program(overlay(WIDE), program, [image])
    wanted = golden.run(network, image)
    for name, value in output_tensors(run, program).items():
        np.testing.assert_array_equal(value, wanted[name], name)
    assert run.cycles == program_cycles(program, WIDE).total
