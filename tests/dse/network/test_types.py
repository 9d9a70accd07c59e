"""The type of a quantised tensor is its own, not that of an operand which may be missing."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from dse.network import inputs
from dse.onnx.importer import check, load
from sim import golden

RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(-127, 128, (2, 2, 1, 1)).astype(np.int8)
REALS = RNG.normal(size=(1, 2, 2, 2)).astype(np.float32)
SCALES = {"ws": np.float32(0.01), "s": np.float32(0.05), "t": np.float32(0.1)}


def model(nodes, shape_type: int, output_type: int, opset: int, **constants: np.ndarray):
    weights = helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"])
    conv = helper.make_node("Conv", ["d", "wd"], ["c"])
    arrays = {"w": WEIGHT, **SCALES, **constants}
    graph = helper.make_graph(
        [*nodes[:-1], weights, conv, nodes[-1]],
        "types",
        [helper.make_tensor_value_info("x", shape_type, [1, 2, 2, 2])],
        [helper.make_tensor_value_info("y", output_type, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 10
    return made


def infer(path, x: np.ndarray) -> np.ndarray:
    imported = load(path)
    (image,) = inputs.images({"x": x})
    tensors = golden.run(imported.network, imported.host.before(image))
    return imported.host.after(image, tensors)["y"]


def convolved(integers: np.ndarray) -> np.ndarray:
    """The sums in units of the output's scale, which end between two of its integers nowhere."""
    sums = np.einsum("oc,nchw->nohw", WEIGHT[:, :, 0, 0].astype(int), integers.astype(int))
    assert np.all(sums % 200 != 100)
    return np.rint(sums / 200)


def node(kind: str, inputs: str, output: str, **attributes: int):
    return helper.make_node(kind, inputs.split(), [output], **attributes)


@pytest.mark.parametrize("zero_point", [True, False])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_quantised_input(save, zero_point: bool, dtype: type) -> None:
    x = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, (1, 2, 2, 2)).astype(dtype)
    zero = " z" if zero_point else ""
    nodes = [node("DequantizeLinear", f"x s{zero}", "d"), node("QuantizeLinear", "c t v", "y")]
    proto = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    path = save(model(nodes, proto, proto, 13, z=dtype(0), v=dtype(0)))
    y = infer(path, x)
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.clip(convolved(x), least, most))


@pytest.mark.parametrize(
    ("quantise", "opset", "dtype"),
    [
        ({"zero": np.int8(0)}, 13, np.int8),
        ({"zero": np.uint8(0)}, 13, np.uint8),
        ({"output_dtype": TensorProto.INT8}, 21, np.int8),
        ({"output_dtype": TensorProto.UINT8}, 21, np.uint8),
        ({"output_dtype": TensorProto.INT8, "zero": np.int8(0)}, 21, np.int8),
        ({}, 21, np.uint8),
        ({}, 10, np.uint8),
    ],
)
@pytest.mark.parametrize("zero_point", [True, False])
def test_what_a_quantize_linear_writes(save, quantise, opset, dtype, zero_point: bool) -> None:
    attributes = {key: value for key, value in quantise.items() if key != "zero"}
    operand = " z" if "zero" in quantise else ""
    back = " z" if zero_point else ""
    nodes = [
        node("QuantizeLinear", f"x s{operand}", "q", **attributes),
        node("DequantizeLinear", f"q s{back}", "d"),
        node("QuantizeLinear", f"c t{operand}", "y", **attributes),
    ]
    proto = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    y = infer(save(model(nodes, TensorProto.FLOAT, proto, opset, z=dtype(0))), REALS)
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    integers = np.clip(np.rint(REALS / np.float32(0.05)), least, most)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.clip(convolved(integers), least, most))


@pytest.mark.parametrize("name", ["INT16", "UINT16", "INT4", "UINT4", "FLOAT8E4M3FN"])
def test_other_types_are_refused(save, name: str) -> None:
    dtype = TensorProto.DataType.Value(name)
    nodes = [
        node("QuantizeLinear", "x s", "q", output_dtype=dtype),
        node("DequantizeLinear", "q s", "d"),
        node("QuantizeLinear", "c t", "y"),
    ]
    (problem,) = check(save(model(nodes, TensorProto.FLOAT, TensorProto.UINT8, 21))).problems
    assert problem.name == "c" and "its activations are" in problem.reason
    assert problem.remedy == "quantise activations to int8 or uint8"


def test_a_tensor_read_before_and_after_it_is_rounded_is_refused(save) -> None:
    nodes = [
        node("QuantizeLinear", "x s", "q"),
        node("DequantizeLinear", "q s", "d"),
        node("QuantizeLinear", "c t", "y"),
    ]
    exported = model(nodes, TensorProto.FLOAT, TensorProto.UINT8, 13)
    assert check(save(exported)).supported
    exported.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))
    (problem,) = check(save(exported)).problems
    assert (problem.name, problem.reason) == ("c", "its output is not quantised")


def test_integers_are_not_added_as_reals(builder, save) -> None:
    """A sum of int8 tensors wraps around: the host's, or nobody's."""
    b = builder
    x = b.conv(b.input(2, 4, 4), "c", 3, 2, 1)
    quantised = [b.constant("t", np.float32(0.1)), b.constant("zero", np.int8(0))]
    q = b.node("QuantizeLinear", [x, *quantised], "q")
    total = b.node("Add", [q, q], "sum")
    x = b.node("DequantizeLinear", [total, *quantised], "d")
    report = check(save(b.model(b.conv(x, "last", 2, 3, 1))), strict=True)
    assert "it computes with integers" in [one.reason for one in report.problems]


def test_integers_read_with_two_scales(builder, save) -> None:
    """Each way has its own tensor; where they meet, the host joins them."""
    b = builder
    x = b.input(2, 4, 4, dtype=TensorProto.INT8)
    pooled = b.node("MaxPool", [x], "pooled", kernel_shape=[1, 1])
    y = b.node("DequantizeLinear", [pooled, b.constant("s", np.float32(1))], "y")
    real = b.node("DequantizeLinear", [x, b.constant("t", np.float32(2))], "real")
    z = b.node("MaxPool", [real], "z", kernel_shape=[1, 1])
    path = save(b.model(y, z))
    imported, image = load(path), RNG.integers(-8, 8, (1, 2, 4, 4)).astype(np.int8)
    tensors = golden.run(imported.network, imported.host.before({"x": image}))
    outputs = imported.host.after({"x": image}, tensors)
    np.testing.assert_array_equal(outputs["y"], image)
    np.testing.assert_array_equal(outputs["z"], 2 * image)
    joined = b.node("Concat", [x, pooled], "joined", axis=1)
    b.node("DequantizeLinear", [joined, "t"], "w")
    b.nodes[1:] = [*b.nodes[-2:], *b.nodes[1:-2]]  # before anything gives the integers a meaning
    imported = load(save(b.model(y, "w")))
    tensors = golden.run(imported.network, imported.host.before({"x": image}))
    outputs = imported.host.after({"x": image}, tensors)
    np.testing.assert_array_equal(outputs["y"], image)
    np.testing.assert_array_equal(outputs["w"], 2.0 * np.concatenate([image, image], axis=1))


@pytest.mark.parametrize("high", [0.5, 0.52])
def test_a_clip_that_nothing_rounds_after(builder, save, high: float) -> None:
    """Between two integers of its input it is the host's; on one of them the overlay's."""
    b = builder
    x = b.input(2, 4, 4, dtype=TensorProto.INT8)
    real = b.node("DequantizeLinear", [x, b.constant("s", np.float32(0.25))], "real")
    pooled = b.node("MaxPool", [real], "pooled", kernel_shape=[1, 1])
    b.node("Clip", [pooled, "", b.constant("high", np.float32(high))], "y")
    path = save(b.model("y"))
    assert check(path).tail == (() if high == 0.5 else ("y",))
    image = RNG.integers(-8, 8, (1, 2, 4, 4)).astype(np.int8)
    y = infer(path, image)
    np.testing.assert_array_equal(y, np.minimum(image * np.float32(0.25), np.float32(high)))


def test_a_sum_of_three_behind_a_maximum(builder, save) -> None:
    """Its first sum has no scale in the model; its operands get theirs from before the maximum."""
    b = builder
    x = b.input(2, 4, 4, dtype=TensorProto.INT8)
    scale = b.constant("s", np.float32(0.25))
    pooled = b.node(
        "MaxPool", [b.node("DequantizeLinear", [x, scale], "d")], "p", kernel_shape=[1, 1]
    )
    total = b.node("Sum", [pooled] * 3, "total")
    b.node(
        "QuantizeLinear", [total, b.constant("t", np.float32(1)), b.constant("z", np.int8(0))], "y"
    )
    model = b.model("y")
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT8
    image = RNG.integers(-8, 8, (1, 2, 4, 4)).astype(np.int8)
    # The first sum has steps of 0.5: it is off by a quarter, so the result by one at most.
    assert np.abs(infer(save(model), image) - np.rint(image * 0.75)).max() <= 1
