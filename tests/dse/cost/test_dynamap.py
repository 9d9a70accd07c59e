"""DYNAMAP's equations: hand-worked cases, published check values, and properties over arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.cost import CostModel, Crossing, Dynamap, Label, PoolShape, as_arrays
from dse.cost.dynamap import WINOGRAD
from dse.network.conv_shape import ConvShape
from dse.network.graph import Network
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark

BOTH = Dynamap(winograd=tuple(WINOGRAD))

convs = st.builds(
    lambda size, cin, cout, kernel, stride: ConvShape(
        size, size + 1, cin, cout, kernel, (stride, stride), tuple([k // 2 for k in kernel * 2])
    ),
    st.integers(1, 60),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([(1, 1), (3, 3), (5, 5), (7, 7), (1, 7), (3, 1), (2, 2)]),
    st.integers(1, 2),
)
sides = st.integers(1, 200)


def least(network: Network, rows: int, columns: int, *labels: Label) -> float:
    """Sum over the convolutions of the cheapest legal label, of ``labels`` if given."""
    model = Dynamap()
    total = 0.0
    for conv in map(network.conv_shape, network.convolutions()):
        legal = labels or model.labels(conv)
        total += float(model.cycles(conv, legal, as_arrays(rows, columns)).min())
    return total


IM2COL = tuple(Label("im2col", flow) for flow in ("NS", "WS", "IS"))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "direct", "ns", "im2col", "best", "cycles"),
    [
        ("googlenet", 92, 66, 0.911, 1.244, 0.975, 0.729, 208_529),
        ("inception-v4", 95, 64, 7.046, 9.378, 7.652, 6.939, 1_984_645),
    ],
)
def test_check_values_of_the_paper(
    name: str,
    rows: int,
    columns: int,
    direct: float,
    ns: float,
    im2col: float,
    best: float,
    cycles: int,
) -> None:
    network = without_dense(benchmark(name))
    ms = 1e3 / 286e6
    assert round(network.macs() / (rows * columns) * ms, 3) == direct
    assert round(least(network, rows, columns, IM2COL[0]) * ms, 3) == ns
    assert round(least(network, rows, columns, *IM2COL) * ms, 3) == im2col
    assert least(network, rows, columns) == cycles
    assert round(cycles * ms, 3) == best


def test_a_layer_worked_by_hand() -> None:
    # 14 x 14 pixels, 3 x 3 taps, 20 -> 30 channels on 8 x 4:
    # a = 196 (25 rows, 49 columns), b = 180 (23 rows) or 20 (3 rows), c = 30 (8 columns).
    conv = ConvShape(14, 14, 20, 30, (3, 3), padding=(1, 1, 1, 1))
    labels = BOTH.labels(conv)
    cycles = dict(zip(map(str, labels), BOTH.cycles(conv, labels, as_arrays(8, 4))[0], strict=True))
    assert cycles == {
        "im2col/NS": 25 * 8 * 180,
        "im2col/WS": 23 * 8 * 196,
        "im2col/IS": 23 * 49 * 30,
        "kn2row/NS": 9 * 25 * 8 * 20,
        "kn2row/WS": 9 * 3 * 8 * 196,
        "kn2row/IS": 9 * 3 * 49 * 30,
        "winograd-f2/NS": 16 * 7 * 8 * 20,  # 49 tiles: 7 rows, 13 columns
        "winograd-f2/WS": 16 * 3 * 8 * 49,
        "winograd-f2/IS": 16 * 3 * 13 * 30,
        "winograd-f4/NS": 36 * 2 * 8 * 20,  # 16 tiles: 2 rows, 4 columns
        "winograd-f4/WS": 36 * 3 * 8 * 16,
        "winograd-f4/IS": 36 * 3 * 4 * 30,
    }


@pytest.mark.parametrize(("kernel", "rounds"), [((3, 3), 1), ((1, 7), 3), ((5, 5), 4), ((7, 7), 9)])
def test_winograd_rounds(kernel: tuple[int, int], rounds: int) -> None:
    conv = ConvShape(16, 16, 8, 8, kernel, padding=tuple([k // 2 for k in kernel * 2]))
    cycles = Dynamap().cycles(conv, [Label("winograd-f2", "WS")], as_arrays(8, 8))
    assert cycles[0, 0] == rounds * 16 * 64


def test_groups_are_products_of_their_own() -> None:
    whole = ConvShape(9, 9, 12, 10, (3, 3), groups=2)
    half = ConvShape(9, 9, 6, 5, (3, 3))
    labels = BOTH.labels(whole)
    arrays = np.array([[5, 7], [8, 3]])
    np.testing.assert_array_equal(
        BOTH.cycles(whole, labels, arrays), 2 * BOTH.cycles(half, labels, arrays)
    )


@pytest.mark.parametrize(
    ("conv", "algorithms"),
    [
        (ConvShape(8, 8, 4, 4), {"im2col"}),
        (ConvShape(8, 8, 4, 4, (3, 3)), {"im2col", "kn2row", "winograd-f2"}),
        (ConvShape(8, 8, 4, 4, (3, 3), (2, 2)), {"im2col", "kn2row"}),
        (ConvShape(8, 8, 4, 4, (3, 3), (1, 2)), {"im2col", "kn2row"}),
        (ConvShape(8, 8, 4, 4, (3, 3), dilation=(2, 2)), {"im2col", "kn2row"}),
    ],
)
def test_legal_algorithms(conv: ConvShape, algorithms: set[str]) -> None:
    assert {label.algorithm for label in Dynamap().labels(conv)} == algorithms


@given(convs, st.lists(st.tuples(sides, sides), min_size=1, max_size=5))
def test_arrays_are_costed_alike_one_by_one(conv: ConvShape, arrays: list[tuple[int, int]]) -> None:
    labels = BOTH.labels(conv)
    together = BOTH.cycles(conv, labels, np.array(arrays))
    assert together.shape == (len(arrays), len(labels))
    for row, array in zip(together, arrays, strict=True):
        np.testing.assert_array_equal(row, BOTH.cycles(conv, labels, as_arrays(*array))[0])


@given(convs, sides, sides)
def test_no_algorithm_beats_its_multiplications(conv: ConvShape, rows: int, columns: int) -> None:
    saved = {"im2col": 1.0, "kn2row": 1.0, "winograd-f2": 2.25, "winograd-f4": 4.0}
    labels = BOTH.labels(conv)
    cycles = BOTH.cycles(conv, labels, as_arrays(rows, columns))[0]
    for label, count in zip(labels, cycles, strict=True):
        assert count * rows * columns * saved[label.algorithm] >= conv.macs


@given(convs, sides, sides)
def test_a_larger_array_is_never_slower(conv: ConvShape, rows: int, columns: int) -> None:
    labels = BOTH.labels(conv)
    arrays = np.array([[rows, columns], [rows + 1, columns], [rows, columns + 1]])
    cycles = BOTH.cycles(conv, labels, arrays)
    assert (cycles[1:] <= cycles[0]).all()


# Transitions of GoogLeNet's inception 3a at 200 MHz and 64 GB/s, in ms: the paper's instance.
SLOW = Dynamap(clock_hz=200e6, bandwidth=64e9)
THREE = ConvShape(28, 28, 96, 128, (3, 3), padding=(1, 1, 1, 1))
FIVE = ConvShape(28, 28, 16, 32, (5, 5), padding=(2, 2, 2, 2))
ONE = ConvShape(28, 28, 192, 96)
JOIN = Crossing((28, 28, 256), producer=THREE, join="concat")


@pytest.mark.parametrize(
    ("crossing", "source", "target", "milliseconds"),
    [
        (Crossing((28, 28, 96), ONE, THREE), "im2col", "im2col", 0.010584),
        (Crossing((28, 28, 96), ONE, THREE), "im2col", "kn2row", 0.001176),
        (Crossing((28, 28, 96), ONE, THREE), "im2col", "winograd-f2", 0.0049),
        (Crossing((28, 28, 96), ONE, THREE), "winograd-f2", "winograd-f2", 0.0049 / 4),
        (Crossing((28, 28, 16), ONE, FIVE), "im2col", "im2col", 0.0049),
        (Crossing((28, 28, 16), ONE, FIVE), "im2col", "kn2row", 0.000196),
        (Crossing((28, 28, 16), ONE, FIVE), "im2col", "winograd-f2", 0.00098),
        (Crossing((28, 28, 192), consumer=ONE), "plain", "im2col", 0.002352),
        (JOIN, "kn2row", "plain", 0.003136),
        (JOIN, "winograd-f2", "plain", 0.01274),
    ],
)
def test_transitions_of_inception_3a(
    crossing: Crossing, source: str, target: str, milliseconds: float
) -> None:
    cycles = SLOW.transition(crossing, [Label(source)], [Label(target)], as_arrays(1, 1))
    assert cycles.shape == (1, 1, 1)
    assert cycles[0, 0, 0] / 200e6 * 1e3 == pytest.approx(milliseconds, rel=1e-9)


def test_winograd_of_another_tile_is_scattered_anew() -> None:
    crossing = Crossing((28, 28, 96), THREE, THREE)
    both = [Label("winograd-f2"), Label("winograd-f4")]
    cycles = SLOW.transition(crossing, [Label("im2col"), *both], both, as_arrays(1, 1))[0]
    assert cycles[1, 1] == cycles[0, 1]
    assert cycles[2, 0] == cycles[0, 0]
    assert cycles[1, 0] < cycles[0, 0] and cycles[2, 1] < cycles[0, 1]


def test_what_leaves_a_pooling_is_plain() -> None:
    pool = PoolShape("max", (2, 2), (2, 2), (56, 56, 96), (28, 28, 96))
    crossing = Crossing((28, 28, 96), ONE, THREE, pools=(pool,))
    sources = [Label("im2col"), Label("winograd-f2")]
    cycles = SLOW.transition(crossing, sources, Dynamap().labels(THREE), as_arrays(1, 1))[0]
    np.testing.assert_array_equal(cycles[0], cycles[1])


def test_infinite_bandwidth_makes_transitions_free() -> None:
    cycles = Dynamap().transition(JOIN, [Label("im2col")], [Label("plain")], as_arrays(1, 1))
    assert not cycles.any()


def test_stores_offer_winograd_only_to_those_who_can_read_it() -> None:
    strided = ConvShape(28, 28, 96, 96, (3, 3), (2, 2))
    assert BOTH.store_labels((28, 28, 96), (strided, ONE)) == (Label("plain"),)
    assert BOTH.store_labels((28, 28, 96), (strided, THREE)) == (
        Label("plain"),
        Label("winograd-f2"),
        Label("winograd-f4"),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clock_hz": 0.0}, "clock_hz must be positive and finite, not 0.0"),
        ({"bandwidth": -1.0}, "bandwidth must be positive, not -1.0"),
        ({"winograd": ("fft",)}, r"winograd must be of \['winograd-f2', 'winograd-f4'\]"),
    ],
)
def test_parameters_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dynamap(**options)


def test_it_is_a_cost_model() -> None:
    model: CostModel = Dynamap()
    assert model.name == "dynamap"
    assert model.peak_macs(as_arrays(92, 66))[0] == 6072
