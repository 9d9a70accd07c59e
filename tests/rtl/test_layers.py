"""Single layers in RTL, drawn over all algorithms, dataflows, lanes and transforms.

``POLYMAP_EXAMPLES=500 pytest tests/rtl/test_layers.py`` draws others, and more of them.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.choices import all_choices, legal
from dse.network.graph import Window
from sim.fast.simulated_run import DDR, IDEAL, Timing
from sim.fast_overlay import build_overlay
from tests.rtl.operands import PATTERNS, Worst, layer
from tests.rtl.overlays import OVERLAYS, Case, Fitting, by_size, check, job, simulation
from tests.sim.test_functional import branchy

pytestmark = pytest.mark.rtl


EXAMPLES = os.environ.get("POLYMAP_EXAMPLES")
patterns = st.sampled_from(sorted(PATTERNS))


@st.composite
def axes(draw: st.DrawFn, strides: list[int], dilations: list[int]) -> tuple[int, ...]:
    """Image extent, kernel, stride, dilation and padding of an axis."""
    size, kernel = draw(st.integers(1, 11)), draw(st.sampled_from([1, 2, 3, 3, 3, 5, 7]))
    stride, dilation = draw(st.sampled_from(strides)), draw(st.sampled_from(dilations))
    before, after = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    missing = max(0, (kernel - 1) * dilation + 1 - size - before - after)
    return size, kernel, stride, dilation, before, after + missing


@st.composite
def layers(draw: st.DrawFn) -> Worst:
    """A layer with operands anywhere in their range, or at its ends."""
    plain = draw(st.integers(0, 3)) > 0  # else Winograd is not legal
    axis = axes([1] if plain else [1, 2, 3], [1] if plain else [1, 2])
    (height, ky, sy, dy, top, bottom), (width, kx, sx, dx, left, right) = draw(axis), draw(axis)
    window = Window((ky, kx), (sy, sx), (dy, dx), (top, left, bottom, right))
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    cin, cout = draw(st.integers(1, 14)), groups * draw(st.integers(1, 11))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    network = layer(
        (height, width, cin * groups),
        PATTERNS[draw(patterns)]((cout, ky, kx, cin), 127, rng),
        window,
        groups=groups,
        zero_point=draw(st.sampled_from([-128, 0, 17, 127])),
        bias=draw(st.sampled_from([0, -900, 1 << 19])),
        reach=draw(st.sampled_from([120, 2000])),
    )
    return Worst(network, patterns=tuple(draw(st.lists(patterns, min_size=1, max_size=3))))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(("name", "examples"), by_size(10, 120))
def test_every_choice_gives_the_same_bytes(name: str, examples: int) -> None:
    config, fitting = OVERLAYS[name], Fitting(name)

    @settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=EXAMPLES is None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(layers())
    def same_bytes(case: Worst) -> None:
        (conv,) = case.network.convolutions()
        choices = [one for one in all_choices(config) if legal(case.network, conv, one, config)]
        check(name, *filter(fitting, [replace(case, choices=(one,)) for one in choices]))

    same_bytes()
    fitting.check(0.05)


@pytest.mark.parametrize(
    "timing", [IDEAL, DDR, Timing(stall=40, seed=3)], ids=["ideal", "ddr", "stalls"]
)
@pytest.mark.slow
@pytest.mark.parametrize("name", ["winograd2", "f4"])
def test_other_layers_do_not_notice_the_transforms(name: str, timing: Timing) -> None:
    """im2col and kn2row: every instruction starts and retires in the same cycles."""
    config = OVERLAYS[name]
    plain = replace(config, winograd="none", scratch_words=0)
    choices = all_choices(plain)
    turns = [(one,) for one in choices] + [tuple(choices), tuple(reversed(choices))]
    cases = [Case(branchy(), turn, timing) for turn in turns]
    events = [
        [run.events for run in built.run(*(job(case, case.compile(one)) for case in cases))]
        for one, built in ((config, simulation(name)), (plain, build_overlay(plain)))
    ]
    for with_transforms, without in zip(*events, strict=True):
        np.testing.assert_array_equal(with_transforms, without)
