"""Shapes of convolutions, built layer by layer; and the convolutional part of a network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.network.conv_shape import ConvShape
from dse.network.graph import NetworkError, Window
from dse.network.prune import without_dense
from dse.networks.builder import OutlineBuilder

pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))
pads = st.tuples(*[st.integers(0, 4)] * 4)


@given(st.integers(1, 40), st.integers(1, 40), pairs, pairs, pairs, pads)
def test_output_size_is_the_irs(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> None:
    expected = Window(kernel, stride, dilation, padding).output(height, width)
    if min(expected) < 1:
        with pytest.raises(NetworkError):
            ConvShape(height, width, 3, 5, kernel, stride, padding, dilation)
    else:
        conv = ConvShape(height, width, 3, 5, kernel, stride, padding, dilation)
        assert conv.output == (*expected, 5)
        assert conv.macs == expected[0] * expected[1] * kernel[0] * kernel[1] * 3 * 5


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 4))
def test_same_padding_gives_ceil_of_size_over_stride(size: int, kernel: int, stride: int) -> None:
    net = OutlineBuilder("net", (size, size, 1))
    net.conv("input", "conv", 2, kernel, stride=stride)
    network = net.build()
    assert network.tensors["conv"].shape == (-(-size // stride), -(-size // stride), 2)


def test_groups_divide_the_macs() -> None:
    assert ConvShape(8, 8, 6, 4, (3, 3), padding=(1, 1, 1, 1), groups=2).macs == 64 * 9 * 3 * 4


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(NetworkError, match="multiples of the groups"):
        ConvShape(8, 8, 6, 4, groups=4)


def test_dense_means_covering_the_input() -> None:
    assert ConvShape(6, 6, 256, 10, (6, 6)).is_dense
    assert not ConvShape(6, 6, 256, 10, (3, 3)).is_dense
    assert not ConvShape(3, 3, 256, 10, (3, 3), padding=(1, 1, 1, 1)).is_dense


def test_without_dense_drops_the_classifier_and_what_follows() -> None:
    net = OutlineBuilder("net", (8, 8, 3))
    x = net.conv("input", "conv", 4, 3)
    y = net.dense(x, "fc1", 16)
    net.dense(y, "fc2", 10)
    network = without_dense(net.build())
    assert [op.name for op in network.operators] == ["conv"]
    assert network.outputs == ("conv",)


def test_without_dense_keeps_those_that_a_convolution_follows() -> None:
    """As in a squeeze and excitation, whose factors go into the next convolution's input."""
    net = OutlineBuilder("net", (8, 8, 3))
    x = net.conv("input", "conv", 4, 3)
    squeezed = net.dense(net.global_average(x, "average"), "squeeze", 2)
    excited = net.dense(squeezed, "excite", 4)
    y = net.conv(excited, "padded", 4, 3)  # on one pixel, but not fully connected
    net.dense(net.dense(y, "fc1", 16), "fc2", 10)
    network = without_dense(net.build())
    assert [op.name for op in network.operators] == [
        *("conv", "average", "squeeze", "excite", "padded")
    ]
    assert network.outputs == ("padded",)
