"""Outlines of ONNX models: small models, each operator, and refusals."""

from collections.abc import Sequence

import onnx
import pytest
from onnx import TensorProto, helper

from dse.network.conv_shape import ConvShape
from dse.network.graph import Add, Concat, NetworkError
from dse.networks.catalogue import benchmark
from dse.onnx.findings import UnsupportedError
from dse.onnx.importer import outline
from dse.passes import layer_shapes


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, list[int]],
    shape: Sequence[int | str] = (1, 3, 9, 9),
) -> onnx.ModelProto:
    """A model with input "x", output "y" and weights of ones."""
    initializers = [
        helper.make_tensor(name, TensorProto.FLOAT, dims, [1.0] * len_of(dims))
        for name, dims in weights.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def len_of(dims: list[int]) -> int:
    total = 1
    for dim in dims:
        total *= dim
    return total


def only_shape(found: onnx.ModelProto) -> ConvShape:
    (shape,) = layer_shapes(outline(found)).values()
    return shape


@pytest.mark.parametrize(
    ("attributes", "padding", "size"),
    [
        ({}, (0, 0, 0, 0), 7),
        ({"pads": [1, 0, 2, 0]}, (1, 0, 2, 0), None),
        ({"auto_pad": "VALID", "strides": [2, 2]}, (0, 0, 0, 0), 4),
        ({"auto_pad": "SAME_UPPER"}, (1, 1, 1, 1), 9),
        ({"auto_pad": "SAME_UPPER", "strides": [4, 4]}, (1, 1, 1, 1), 3),
        ({"auto_pad": "SAME_UPPER", "dilations": [2, 2]}, (2, 2, 2, 2), 9),
        ({"dilations": [3, 3]}, (0, 0, 0, 0), 3),
    ],
)
def test_convolution_attributes(
    attributes: dict, padding: tuple[int, ...], size: int | None
) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    conv = only_shape(model([node], {"w": [4, 3, 3, 3]}))
    assert conv.padding == padding
    assert conv.output == ((10, 7, 4) if size is None else (size, size, 4))


def test_odd_same_padding_goes_where_the_mode_says() -> None:
    for mode, padding in (("SAME_UPPER", (0, 0, 1, 1)), ("SAME_LOWER", (1, 1, 0, 0))):
        node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad=mode)
        conv = only_shape(model([node], {"w": [4, 3, 2, 2]}))
        assert conv.padding == padding


def test_a_branch_with_bias_activation_pool_concat_and_classifier() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["e"], kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Conv", ["e", "v"], ["f"], group=2),
        helper.make_node("Concat", ["e", "f"], ["g"], axis=1),
        helper.make_node("Add", ["g", "g"], ["h"]),
        helper.make_node("Flatten", ["h"], ["i"]),
        helper.make_node("Gemm", ["i", "fc"], ["y"], transB=1),
    ]
    weights = {"w": [4, 3, 3, 3], "b": [1, 4, 1, 1], "v": [2, 2, 1, 1], "fc": [10, 54]}
    network = outline(model(nodes, weights))
    shapes = layer_shapes(network)
    assert list(shapes) == ["a", "f", "y"]
    assert [conv.kernel for conv in shapes.values()] == [(3, 3), (1, 1), (3, 3)]
    assert shapes["f"].groups == 2
    joins = [op for op in network.operators if isinstance(op, Add | Concat)]
    assert [(type(op), network.tensors[op.output].shape) for op in joins] == [
        (Concat, (3, 3, 6)),
        (Add, (3, 3, 6)),
    ]
    assert network.macs() == 81 * 27 * 4 + 9 * 2 * 2 + 540


def test_unknown_operators_are_named() -> None:
    with pytest.raises(UnsupportedError, match="1 unsupported node: Hardmax: "):
        outline(model([helper.make_node("Hardmax", ["x"], ["y"])], {}))


def test_dynamic_shapes_are_refused() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    dynamic = model([node], {"w": [4, 3, 3, 3]}, (1, 3, "height", "width"))
    with pytest.raises(NetworkError, match="height"):
        outline(dynamic)


@pytest.mark.parametrize("batch", ["N", None])
def test_a_free_batch_is_one_image(batch: str | None) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    conv = only_shape(model([node], {"w": [4, 3, 3, 3]}, (batch, 3, 9, 9)))
    assert conv.output == (7, 7, 4)


def test_layers_that_are_left_out_are_noted() -> None:
    assert benchmark("alexnet").ignored == ("LRN: 2 nodes, first n2",)
    assert benchmark("squeezenet").ignored == ()
