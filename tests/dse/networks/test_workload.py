"""Workloads: shape arithmetic, consistency, and the convolutional part."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.network.graph import Window
from dse.network.workload import (
    Convolution,
    ConvShape,
    Join,
    Pool,
    Reshape,
    Source,
    Workload,
    WorkloadError,
)
from dse.networks.builder import WorkloadBuilder

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
        with pytest.raises(WorkloadError):
            ConvShape(height, width, 3, 5, kernel, stride, padding, dilation)
    else:
        conv = ConvShape(height, width, 3, 5, kernel, stride, padding, dilation)
        assert conv.output == (*expected, 5)
        assert conv.macs == expected[0] * expected[1] * kernel[0] * kernel[1] * 3 * 5


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 4))
def test_same_padding_gives_ceil_of_size_over_stride(size: int, kernel: int, stride: int) -> None:
    net = WorkloadBuilder("net", (size, size, 1))
    net.conv("input", "conv", 2, kernel, stride=stride)
    conv = net.build().convolutions[0].conv
    assert conv.output == (-(-size // stride), -(-size // stride), 2)


def test_groups_divide_the_macs() -> None:
    assert ConvShape(8, 8, 6, 4, (3, 3), padding=(1, 1, 1, 1), groups=2).macs == 64 * 9 * 3 * 4


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(WorkloadError, match="multiples of the groups"):
        ConvShape(8, 8, 6, 4, groups=4)


def test_dense_means_covering_the_input() -> None:
    assert ConvShape(6, 6, 256, 10, (6, 6)).is_dense
    assert not ConvShape(6, 6, 256, 10, (3, 3)).is_dense
    assert not ConvShape(3, 3, 256, 10, (3, 3), padding=(1, 1, 1, 1)).is_dense


def test_without_dense_drops_the_classifier_and_what_follows() -> None:
    net = WorkloadBuilder("net", (8, 8, 3))
    x = net.conv("input", "conv", 4, 3)
    y = net.dense(x, "fc1", 16)
    net.dense(y, "fc2", 10)
    workload = net.build().without_dense()
    assert [node.name for node in workload.nodes] == ["input", "conv"]


SOURCE = Source("x", (4, 4, 2))
CONV = Convolution("conv", "x", ConvShape(4, 4, 2, 3))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((CONV,), r"'conv' reads \['x'\] before written"),
        ((SOURCE, SOURCE), "'x' is written twice"),
        ((Source("x", (5, 4, 2)), CONV), r"'conv': expects an input of \(4, 4, 2\)"),
        ((Source("x", (4, 4, 0)),), "shape must be positive"),
        ((SOURCE, Pool("p", "x", (2, 2, 3), "max", (2, 2), (2, 2))), "pooling keeps the channels"),
        ((SOURCE, Reshape("r", "x", (1, 1, 31))), "reshaping keeps the size"),
        ((SOURCE, CONV, Join("j", ("x", "conv"), (4, 4, 3), "add")), "operands differ in shape"),
        ((SOURCE, Join("j", ("x", "x"), (4, 4, 3), "concat")), "channels do not add up"),
        ((SOURCE, Join("j", ("x", "x"), (4, 3, 4), "concat")), "extents differ"),
    ],
)
def test_inconsistent_workloads_are_refused(nodes: tuple, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        Workload("net", nodes)


def test_consumers_name_each_reader_once() -> None:
    double = Join("double", ("x", "x"), (4, 4, 4), "concat")
    workload = Workload("net", (SOURCE, CONV, double))
    assert workload.consumers["x"] == (CONV, double)


def test_to_json_is_plain_data() -> None:
    data = json.loads(json.dumps(Workload("net", (SOURCE, CONV)).to_json()))
    assert data["macs"] == 96
    assert [node["node"] for node in data["nodes"]] == ["source", "convolution"]
