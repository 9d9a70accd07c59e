"""Constants of the operators against their definitions in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dse.network import constants
from dse.network.graph import (
    Add,
    Conv,
    Network,
    NetworkError,
    Numbers,
    Pool,
    Quantisation,
    Tensor,
    Window,
)


def conv_network(weight: np.ndarray, bias: np.ndarray, zero_point: int, scale: float) -> Network:
    cout, ky, kx, cin = weight.shape
    x = Tensor("x", ky, kx, cin, Quantisation(0.1, zero_point))
    y = Tensor("y", 1, 1, cout, Quantisation(0.3, 5))
    scales = np.full(cout, scale)
    op = Conv("op", "x", "y", Window(kernel=(ky, kx)), 1, Numbers(weight, scales, bias))
    return Network("n", {"x": x, "y": y}, (op,), ("x",), ("y",))


@pytest.fixture
def drawn() -> Network:
    rng = np.random.default_rng(2)
    weight = rng.integers(-127, 128, (5, 2, 3, 4), np.int8)
    return conv_network(weight, rng.integers(-9999, 9999, 5).astype(np.int32), -17, 0.01)


def test_factors_are_nearest(drawn: Network) -> None:
    (conv,) = drawn.convolutions()
    mantissa, shift = constants.conv_constants(drawn, conv)
    assert ((mantissa >= 2**16) & (mantissa < 2**17)).all()
    real = Fraction(0.1 * 0.01 / 0.3)
    for m, s in zip(mantissa, shift, strict=True):
        assert abs(Fraction(int(m), 2 ** int(s)) - real) <= Fraction(1, 2 ** (int(s) + 1))


def test_bias_absorbs_the_zero_point(drawn: Network) -> None:
    (conv,) = drawn.convolutions()
    raw = np.random.default_rng(3).integers(-128, 128, (2, 3, 4))
    weight = conv.weight.astype(int)
    centred = ((raw + 17) * weight).sum(axis=(1, 2, 3)) + conv.bias
    np.testing.assert_array_equal(
        (raw * weight).sum(axis=(1, 2, 3)) + constants.conv_bias(drawn, conv), centred
    )


def test_accumulator_bound_is_attained_and_never_exceeded(drawn: Network) -> None:
    (conv,) = drawn.convolutions()
    bound = constants.accumulator_bound(drawn, conv)
    bias = constants.conv_bias(drawn, conv)
    for channel, weight in enumerate(conv.weight.astype(int)):
        extremes = [
            (np.where(weight > 0, above, below) * weight).sum() + bias[channel]
            for above, below in ((127, -128), (-128, 127))
        ]
        assert bound[channel] == np.abs(extremes).max()


def test_sums_beyond_int32_are_refused() -> None:
    weight = np.full((1, 1, 1, 4), 127, np.int8)
    network = conv_network(weight, np.array([2**31 - 1], np.int32), -128, 0.01)
    with pytest.raises(NetworkError, match="'op': the folded bias of channel 0 reaches 21475"):
        constants.verify(network)
    network = conv_network(weight, np.array([2**31 - 1], np.int32), 0, 0.01)
    with pytest.raises(NetworkError, match="'op': the accumulator of channel 0"):
        constants.verify(network)


def test_factors_out_of_range_are_refused() -> None:
    weight = np.ones((1, 1, 1, 1), np.int8)
    network = conv_network(weight, np.zeros(1, np.int32), 0, 1e-20)
    with pytest.raises(NetworkError, match="'op': requantisation factor"):
        constants.verify(network)


@pytest.mark.parametrize(
    ("include", "expected"),
    [(False, [[2, 4, 2], [1, 2, 1]]), (True, [[6, 6, 6], [2, 2, 2]])],
)
def test_counted_taps(include: bool, expected: list[list[int]]) -> None:
    """A 3 x 4 image padded above, left and right by one; the lower windows reach beyond it."""
    x, y = (Tensor(n, h, w, 1, Quantisation(1.0, 0)) for n, h, w in (("x", 3, 4), ("y", 2, 3)))
    window = Window((3, 2), (3, 2), padding=(1, 1, 0, 1))
    pool = Pool("op", "x", "y", "average", window, include)
    network = Network("n", {"x": x, "y": y}, (pool,), ("x",), ("y",))
    counts = constants.pool_counts(network, pool)
    np.testing.assert_array_equal(counts, expected)
    factors = constants.pool_constants(network, pool)
    assert set(factors) == set(np.unique(expected))
    for count, factor in factors.items():
        assert factor.value == pytest.approx(1 / count, rel=2**-17)


def test_additions_share_a_shift() -> None:
    tensors = {
        name: Tensor(name, 1, 1, 1, Quantisation(scale, 0))
        for name, scale in (("a", 0.02), ("b", 0.7), ("y", 0.3))
    }
    add = Add("op", "a", "b", "y")
    network = Network("n", tensors, (add,), ("a", "b"), ("y",))
    mantissa_a, mantissa_b, shift = constants.add_constants(network, add)
    assert 2**16 <= mantissa_b < 2**17
    assert mantissa_a / 2**shift == pytest.approx(0.02 / 0.3, abs=2.0 ** -(shift + 1))
    assert mantissa_b / 2**shift == pytest.approx(0.7 / 0.3, abs=2.0 ** -(shift + 1))
