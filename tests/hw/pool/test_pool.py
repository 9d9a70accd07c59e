"""Pooling engine with the tensor memory against numpy: any window, random stalls, exact cycles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.isa import Combination
from hw.isa.config import OverlayConfig
from hw.pool.cycles import pool_cost
from tests.hw.pool.pool_bench import Stall, check, small
from tests.hw.pool.pool_layers import Layer, Normalised, Pair

SLOW = pytest.mark.slow
QUIET, BOTH, WRITES = (0.0, 0.0), (0.4, 0.4), (0.0, 0.8)  # cycles are exact without stalls

EVERY_KIND = [
    Layer(before=(1, 1), after=(1, 1)),
    Layer(kernel=(2, 2), stride=(2, 2), channels=7),
    Layer(kernel=(3, 3), stride=(2, 2), size=(7, 8), ceil=True, slack=(2, 1)),
    Layer(average=True, before=(1, 1), after=(1, 1), zero_point=-7),
    Layer(average=True, before=(1, 1), after=(1, 1), include_padding=True, zero_point=9),
    Layer(
        average=True,
        kernel=(3, 3),
        stride=(2, 2),
        size=(7, 8),
        before=(1, 0),
        after=(0, 1),
        ceil=True,
        include_padding=True,
        zero_point=-128,
    ),
    Layer(average=True, kernel=(6, 6), channels=9, zero_point=127),
    Layer(kernel=(1, 1), channels=1),
    Layer(kernel=(1, 1), stride=(2, 3), channels=3),
    Layer(kernel=(1, 4), size=(3, 9), channels=2, zero_point=3),
    Layer(kernel=(4, 1), size=(6, 3), channels=4),
    Layer(kernel=(2, 3), dilation=(2, 2), size=(6, 9), stride=(1, 2)),
    Layer(kernel=(2, 2), dilation=(1, 3), size=(4, 9), stride=(1, 2)),
    Layer(average=True, kernel=(1, 35), size=(2, 40), channels=1, zero_point=-1),
    Layer(average=True, kernel=(1, 32), size=(2, 40), channels=4, zero_point=-1),
]


MAXIMUM, AVERAGE = (replace(EVERY_KIND[k], size=(4, 5)) for k in (0, 3))
"""What comes between others."""


@pytest.mark.parametrize(
    ("stall", "own"),
    [
        (QUIET, slice(0, None, 2)),
        (BOTH, slice(1, None, 2)),
        *(pytest.param(stall, slice(None), marks=SLOW) for stall in (QUIET, BOTH, WRITES)),
    ],
)
def test_every_kind_of_window(stall: Stall, own: slice) -> None:
    """Every second kind; all of them in the slow ones."""
    kinds = [replace(x, seed=i) for i, x in enumerate(EVERY_KIND[own])]
    check(small(), kinds, stall=stall, seed=5)


HALVES = [
    Layer(kernel=(3, 3), stride=(2, 2), size=(7, 9)),
    Layer(kernel=(3, 3), stride=(2, 2), size=(6, 8), before=(1, 1)),
    Layer(kernel=(3, 3), stride=(2, 2), size=(6, 8), ceil=True),
    Layer(kernel=(2, 2), stride=(2, 2), size=(4, 6)),
    Layer(kernel=(1, 2), stride=(1, 2), size=(4, 7), before=(0, 1), after=(0, 1)),
    Layer(kernel=(1, 7), stride=(1, 4), size=(2, 19), before=(0, 3), after=(0, 3)),
    Layer(kernel=(2, 3), size=(3, 6), after=(0, 2)),
    Layer(kernel=(3, 1), size=(4, 3)),
]


@pytest.mark.parametrize(
    ("channels", "stall"),
    [
        (1, WRITES),
        (4, QUIET),
        pytest.param(1, QUIET, marks=SLOW),
        pytest.param(1, BOTH, marks=SLOW),
        pytest.param(4, BOTH, marks=SLOW),
        pytest.param(4, WRITES, marks=SLOW),
    ],
)
def test_two_pixels_a_word(channels: int, stall: Stall) -> None:
    """Between others, with padding in one half or both, and windows that do not slide."""
    found = [replace(x, channels=channels, halves=True, zero_point=-128) for x in HALVES]
    others = [MAXIMUM, *EVERY_KIND[1:3], AVERAGE, *EVERY_KIND[5:9]]
    mixed = [one for both in zip(found, others, strict=True) for one in both]
    config = small(pool_lanes=2 * channels)
    check(config, [replace(x, seed=i) for i, x in enumerate(mixed)], stall=stall, seed=5)


def test_two_pixels_a_word_take_half_the_cycles() -> None:
    """GoogLeNet's first pooling, 56 lines: a word a row of taps, where it was two."""
    config = OverlayConfig(rows=2, columns=2, pool_lanes=128, axi_bytes=128)
    layer = Layer(kernel=(3, 3), stride=(2, 2), size=(112, 112), channels=64, ceil=True)
    plain, halves = (
        pool_cost(config, x.fields(address=0, out_address=0, out_pitch=64, tag=0))
        for x in (layer, replace(layer, halves=True))
    )
    assert (plain.reads, halves.reads) == (56 * (9 + 55 * 6), 56 * (6 + 55 * 3))
    assert halves.cycles - halves.reads <= plain.cycles - plain.reads


def product(channels: int, size: tuple[int, int], **kinds: Any) -> Pair:
    slack = 1, channels + 1
    return Pair(kernel=(1, 1), channels=channels, size=size, slack=slack, **kinds)


PRODUCTS = [
    product(channels, size, shared=shared, zero_point=zero_point, other_zero_point=127 - number)
    for number, (channels, size, zero_point) in enumerate(
        [(1, (1, 1), -128), (4, (3, 5), 127), (5, (1, 9), 0), (3, (6, 1), -7), (9, (2, 4), 40)]
    )
    for shared in (False, True)
]


@pytest.mark.parametrize("stall", [QUIET, WRITES, pytest.param(BOTH, marks=SLOW)])
def test_products_between_poolings(stall: Stall) -> None:
    kinds = [PRODUCTS[0], MAXIMUM, *PRODUCTS[1:], AVERAGE]
    check(small(), [replace(x, seed=i) for i, x in enumerate(kinds)], stall=stall, seed=5)


NORMALISED = [
    Normalised(kernel=(1, 1), channels=3, size=(4, 60), zero_point=-128),
    Normalised(kernel=(3, 3), stride=(2, 2), size=(7, 8), channels=3, beside=(2, 1), zero_point=5),
    Normalised(kernel=(2, 3), before=(1, 2), after=(1, 0), channels=4, beside=(1, 2), reach=1),
    Normalised(kernel=(1, 1), channels=1, zero_point=127, slack=(3, 4), beside=(2, 2)),
    Normalised(kernel=(2, 2), dilation=(2, 1), channels=2, reach=0, zero_point=-3),
]


@pytest.mark.parametrize("stall", [QUIET, BOTH, pytest.param(WRITES, marks=SLOW)])
def test_normalisations_between_others(stall: Stall) -> None:
    kinds = [
        MAXIMUM,
        *NORMALISED[:2],
        PRODUCTS[5],
        *NORMALISED[2:],
        AVERAGE,
        PRODUCTS[4],
    ]
    config = small(columns=4, normalisation=1)
    check(config, [replace(x, seed=i) for i, x in enumerate(kinds)], stall=stall, seed=5)


COMBINED = [
    product(
        5,
        size,
        combination=combination,
        factors=factors,
        shared=shared,
        spread=spread,
        zero_point=zero_point,
        other_zero_point=-zero_point - 1,
    )
    for number, combination in enumerate(Combination)
    for shared, spread in ((False, False), (True, False), (False, True), (True, True))
    for size, factors, zero_point in [
        [((2, 3), (131071, -131071), -128), ((1, 7), (-70000, 5), 127), ((3, 2), (1, 99999), 9)][
            (number + shared + 2 * spread) % 3
        ]
    ]
]


@pytest.mark.parametrize("stall", [QUIET, WRITES, pytest.param(BOTH, marks=SLOW)])
def test_combinations_between_others(stall: Stall) -> None:
    kinds = [COMBINED[0], MAXIMUM, *COMBINED[1:], NORMALISED[0], *COMBINED[:2]]
    config = small(normalisation=1, pairs=1)
    check(config, [replace(x, seed=i) for i, x in enumerate(kinds)], stall=stall, seed=5)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    kernel, dilation = pair(1, 4), pair(1, 2)
    span = [dilation[i] * (kernel[i] - 1) for i in range(2)]
    before = tuple(draw(st.integers(0, span[i])) for i in range(2))
    after = tuple(draw(st.integers(0, span[i])) for i in range(2))
    need = [max(1, span[i] + 1 - before[i] - after[i]) for i in range(2)]
    return Layer(
        average=draw(st.booleans()),
        size=(need[0] + draw(st.integers(0, 5)), need[1] + draw(st.integers(0, 5))),
        channels=draw(st.integers(1, 7)),
        kernel=kernel,
        stride=pair(1, 3),
        dilation=dilation,
        before=(before[0], before[1]),
        after=(after[0], after[1]),
        ceil=draw(st.booleans()),
        include_padding=draw(st.booleans()),
        slack=pair(0, 2),
        zero_point=draw(st.integers(-128, 127)),
    )


STALLS = [QUIET, (0.3, 0.3), (0.8, 0.0), (0.0, 0.9)]


def drawn(examples: int) -> Any:
    """So many of them."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("examples", [2, pytest.param(40, marks=SLOW)])
def test_any_window(examples: int) -> None:
    @drawn(examples)
    @given(
        st.lists(layers(), min_size=3, max_size=6),
        st.builds(small, columns=st.integers(2, 5), pool_lanes=st.integers(0, 9)),
        st.sampled_from(STALLS),
        st.integers(0, 2**16),
    )
    def any_window(found: list[Layer], config: OverlayConfig, stall: Stall, seed: int) -> None:
        kinds = [replace(layer, seed=i) for i, layer in enumerate(found)]
        check(config, kinds, stall=stall, seed=seed)

    any_window()


@pytest.mark.parametrize("examples", [2, pytest.param(40, marks=SLOW)])
def test_any_window_of_two_pixels_a_word(examples: int) -> None:
    """And others between."""

    @drawn(examples)
    @given(
        st.lists(st.tuples(layers(), st.booleans()), min_size=3, max_size=6),
        st.integers(1, 4),
        st.sampled_from(STALLS),
        st.integers(0, 2**16),
    )
    def any_window(made: list[tuple[Layer, bool]], channels: int, stall: Stall, seed: int) -> None:
        fits = {"channels": channels, "slack": (0, 0), "zero_point": -128, "average": False}
        found = [
            replace(x, halves=True, dilation=(x.dilation[0], 1), **fits) if two else x
            for x, two in made
        ]
        config = small(pool_lanes=2 * channels)
        kinds = [replace(x, seed=i) for i, x in enumerate(found)]
        check(config, kinds, stall=stall, seed=seed)

    any_window()
