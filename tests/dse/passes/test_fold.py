"""Folding: the same bytes, from a convolution of fewer and wider pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dse.assembly.program_error import ProgramError
from dse.network.conv_shape import ConvShape
from dse.network.graph import Network, Window
from dse.network.numbers import without_numbers
from dse.passes import PassError, fold, fold_factors, folded_shape, layer_shapes
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from tests.dse.passes.graphs import commutes, same_bytes
from tests.kit.examples import examples
from tests.sim.test_functional import SMALL, Builder, check, configs, grown, networks, windows

SAME = Window((3, 3), padding=(1, 1, 1, 1))


@st.composite
def shapes(draw: st.DrawFn) -> ConvShape:
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 40))
    window = draw(windows(height, width))
    return ConvShape(
        height, width, 3, 5, window.kernel, window.stride, window.padding, window.dilation
    )


@settings(deadline=None)
@given(shapes())
def test_shapes(conv: ConvShape) -> None:
    """Same input, same bytes; the last window ends at the column of the last pixel, which may be
    beyond the image."""
    factors = fold_factors(conv)
    assert factors == tuple(range(1, (conv.o2 if conv.dilation[1] == 1 else 1) + 1))
    exact = replace(conv, unpadded="a reader")
    divisors = tuple(factor for factor in factors if conv.o2 % factor == 0)
    assert fold_factors(exact) == divisors
    for factor in factors:
        folded = folded_shape(conv, factor)
        pixels = factor * -(-conv.o2 // factor)
        assert folded.input == conv.input
        assert folded.output == (conv.o1, pixels // factor, factor * conv.cout)
        assert folded.macs == conv.macs
        ends = [
            (n - 1) * c.stride[1] + c.kernel[1] for n, c in ((pixels, conv), (folded.o2, folded))
        ]
        assert conv.dilation[1] > 1 or ends[0] == ends[1]
        if factor in divisors:
            assert folded.padding == conv.padding


@pytest.mark.parametrize(
    ("conv", "factor", "message"),
    [
        (ConvShape(4, 6, 2, 2), 7, "6 pixels wide, which are fewer"),
        (
            ConvShape(4, 6, 2, 2, unpadded="why"),
            4,
            "by 4: 6 pixels are no multiple, and why",
        ),
        (ConvShape(4, 6, 2, 2, groups=2), 2, "has 2 groups"),
        (ConvShape(4, 6, 2, 2, (1, 3), dilation=(1, 2)), 2, "dilated by 2"),
        (ConvShape(4, 6, 2, 2), 0, "must be positive"),
    ],
)
def test_illegal_factors(conv: ConvShape, factor: int, message: str) -> None:
    with pytest.raises(PassError, match=message):
        folded_shape(conv, factor)


@st.composite
def foldings(draw: st.DrawFn) -> tuple[Network, dict[str, int]]:
    """A network and factors that it can be folded by, at least one above 1."""
    network = draw(networks())
    factors: dict[str, int] = {}
    for name, shape in layer_shapes(network).items():
        factor = draw(st.sampled_from(fold_factors(shape)))
        factors |= {name: factor} if factor > 1 else {}
    assume(factors)
    return network, factors


@examples(10, 30)
def test_same_bytes(drawn: settings) -> None:
    """Golden model and compiled program of the folded network; every tensor of the original."""

    @drawn
    @given(foldings(), configs(), st.integers(0, 1 << 32))
    def holds(drawn: tuple[Network, dict[str, int]], config: OverlayConfig, seed: int) -> None:
        network, factors = drawn
        folded = fold(network, factors)
        same_bytes(network, folded, seed)
        commutes(network, lambda graph: fold(graph, factors))
        mapping = LayerMapping({name: Choice(fold=factor) for name, factor in factors.items()})
        check(network, grown(folded, config), mapping, seeds=1)

    holds()


def net(*, concat: bool = False, add: bool = False) -> Network:
    b = Builder(np.random.default_rng(3))
    first = b.conv(b.input(6, 8, 5), 5, SAME)
    if concat:
        return b.build(b.conv(b.concat(first, b.pool(first, "max", SAME)), 3, Window()))
    if add:
        return b.build(b.add(first, "t0"))
    return b.build(b.conv(first, 4, SAME))


@pytest.mark.parametrize(
    ("network", "factors", "message"),
    [
        (net(), {"conv1": 3}, "'conv1' cannot be folded by 3: folding by 3: 8 pixels are no"),
        (
            net(concat=True),
            {"conv0": 2},
            "'conv0' cannot be folded by 2: folding by 2: a concatenation",
        ),
        (net(add=True), {"conv0": 2}, "its result is a summand, added by the"),
        (net(), {"pool": 2}, "there is no convolution 'pool'"),
    ],
)
def test_refused(network: Network, factors: dict[str, int], message: str) -> None:
    for graph in (network, without_numbers(network)):
        with pytest.raises(PassError, match=message):
            fold(graph, factors)


def test_refusals_are_program_errors() -> None:
    mapping = LayerMapping.from_json({"layers": {"conv1": {"fold": 3}}})
    with pytest.raises(ProgramError, match=r"^mapping: layer 'conv1' cannot be folded by 3: "):
        check(net(), SMALL, mapping)


def test_wide_arrays_are_filled() -> None:
    """Few channels on many columns: the array takes fewer cycles."""
    wide = replace(SMALL, columns=16, tensor_bytes=4096, parameter_depth=64, weight_words=256)
    plain = check(net(), wide, seeds=0).manifest
    mapping = LayerMapping({"conv0": Choice(fold=2)})
    folded = check(net(), wide, mapping, seeds=0).manifest
    assert folded.layers[0].cycles < plain.layers[0].cycles
    assert folded.layers[0].macs == plain.layers[0].macs
