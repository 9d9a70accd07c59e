"""Images run one at a time: only where that is what the model means for many; and odd outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from dse.network import inputs
from dse.network.graph import NetworkError
from dse.onnx.elementwise import CURVED
from dse.onnx.importer import check, load
from sim import golden

IMAGES = np.random.default_rng(0).normal(size=(3, 3, 6, 6)).astype(np.float32)


def infer(path: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    imported = load(path, {"x": batch})
    images = inputs.images({"x": batch})
    return inputs.join([imported.answer(image, golden.run) for image in images])


def features(b) -> str:
    x = b.relu(b.conv(b.input(3, 6, 6), "c", 4, 3, 3))
    return b.node("Flatten", [b.node("GlobalAveragePool", [x], "pooled")], "flat")


def fix(model, batch: int):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    return model


ACROSS = {
    "Softmax": ({"axis": 0}, ()),
    "LogSoftmax": ({"axis": 0}, ()),
    "ReduceSum": ({}, ()),
    "ArgMax": ({}, ()),
    "Transpose": ({}, ()),
    "Reshape": ({}, (np.int64([1, -1]),)),
    "Squeeze": ({}, (np.int64([0]),)),
    "Concat": ({"axis": 0}, ("flat",)),
    "Gather": ({"axis": 0}, (np.int64([0]),)),
    "Unsqueeze": ({}, (np.int64([0]),)),
}
"""Operators that treat a batch as one thing, as the host would run them behind the overlay."""


@pytest.mark.parametrize("op", ACROSS)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_across_the_batch(builder, save, op: str, batch: int) -> None:
    b = builder
    attributes, operands = ACROSS[op]
    x = features(b)
    names = [n if isinstance(n, str) else b.constant(f"k{i}", n) for i, n in enumerate(operands)]
    b.node(op, [x, *names], "y", **attributes)
    model = b.model("y")
    if op == "ArgMax":
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    path = save(fix(model, batch) if batch else model)
    report = check(path)
    assert report.supported == (batch == 1)
    if not report.supported:
        (problem,) = report.problems
        assert problem.name == "y"
        assert problem.remedy == "export the model with a batch of one image"
        return
    model.graph.output[0].type.tensor_type.elem_type = 0
    (expected,) = ReferenceEvaluator(model).run(None, {"x": IMAGES[:1]})[:1]
    actual = infer(path, IMAGES[:1])["y"]
    assert actual.shape == expected.shape
    if actual.dtype.kind == "f" and op != "TopK":
        np.testing.assert_allclose(actual, expected, atol=0.05)


_OPERANDS = {"Max": 1, "Min": 1, "Pow": 1, "PRelu": 1}
_MICROSOFT = ("FastGelu", "QuickGelu")


@pytest.mark.parametrize("op", sorted(op for op in CURVED if not op.startswith("QLinear")))
def test_a_function_of_one_value_behind_the_hosts(builder, save, op: str) -> None:
    b = builder
    x = b.node("Softmax", [features(b)], "softmax")
    operands = [b.constant("k", np.float32([2]))] * _OPERANDS.get(op, 0)
    b.node(op, [x, *operands], "y", domain="com.microsoft" if op in _MICROSOFT else "")
    report = check(save(b.model("y", opset=24 if op == "Swish" else 20)))
    assert report.supported and report.tail == ("softmax", "y")


@pytest.mark.parametrize(
    ("op", "attributes", "operands", "opset"),
    [
        ("GroupNormalization", {"num_groups": 2}, (np.ones(4), np.zeros(4)), 21),
        ("RMSNormalization", {"axis": 1}, (np.ones((4, 4, 4)),), 23),
        ("LpPool", {"kernel_shape": [2, 2]}, (), 21),
        ("GlobalLpPool", {}, (), 21),
        ("CumSum", {}, (np.int64(1),), 21),
        ("CastLike", {}, (np.zeros(1),), 21),
    ],
)
def test_within_an_image_in_the_middle(builder, save, op, attributes, operands, opset) -> None:
    b = builder
    x = b.relu(b.conv(b.input(3, 6, 6), "before", 4, 3, 3))
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in operands]
    names = [b.constant(f"k{index}", array) for index, array in enumerate(arrays)]
    x = b.node(op, [x, *names], "host", **attributes)
    path = save(b.model(b.conv(x, "y", 4, 4, 1), opset=opset))
    report = check(path)
    assert report.supported and report.middle == ("host",)
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"x": IMAGES})
    np.testing.assert_allclose(infer(path, IMAGES)["y"], expected, atol=0.05 * np.ptp(expected))


@pytest.mark.parametrize(
    ("op", "operands", "reason"),
    [
        ("CumSum", (np.int64(0),), "it works across the images of a batch"),
        ("Trilu", (), "whether it treats each image of a batch by itself is not known"),
    ],
)
def test_why_a_batch_is_refused(builder, save, op: str, operands, reason: str) -> None:
    b = builder
    names = [b.constant("k", array) for array in operands]
    b.node(op, [features(b), *names], "y")
    (problem,) = check(save(b.model("y"))).problems
    assert problem.reason == reason


@pytest.mark.parametrize("shape", [[0, -1], [-1, 4], [-1, 2]])
def test_shapes_that_fit_any_batch(builder, save, shape: list[int]) -> None:
    b = builder
    b.node(
        "Softmax", [b.node("Reshape", [features(b), b.constant("s", np.int64(shape))], "r")], "y"
    )
    model = b.model("y")
    actual = infer(save(model), IMAGES)["y"]
    (expected,) = ReferenceEvaluator(model).run(None, {"x": IMAGES})
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=0.05)


def test_a_first_axis_that_is_no_batch(builder, save) -> None:
    b = builder
    b.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [8, 8]))
    x = b.node("Unsqueeze", ["x", b.constant("axes", np.int64([0, 1]))], "image")
    report = check(save(b.model(b.conv(x, "c", 4, 1, 3))))
    (problem,) = report.problems
    assert problem.name == "c" and "first axis of its input" in problem.reason


def test_an_input_without_axes(builder, save) -> None:
    b = builder
    b.inputs.append(helper.make_tensor_value_info("gain", TensorProto.FLOAT, []))
    path = save(b.model(b.node("Mul", [b.conv(b.input(3, 6, 6), "c", 4, 3, 3), "gain"], "y")))
    with pytest.raises(NetworkError, match="input 'gain' is a single number without a batch axis"):
        check(path)


def test_outputs_that_no_layer_makes(builder, save) -> None:
    """Constants, of initializers and nodes; inputs; the head's; one tensor under two names."""
    b = builder
    table = b.constant("table", np.arange(6, dtype=np.float32).reshape(2, 3))
    doubled = b.node("Add", [table, table], "doubled")
    x = b.node("Div", [b.input(3, 6, 6), b.constant("two", np.float32(2))], "halved")
    raw = b.conv(x, "c", 4, 3, 3)
    y = b.relu(raw)
    same = b.node("Identity", [y], "same")
    model = b.model(table, doubled, "x", "halved", raw, y, same)
    actual = infer(save(model), IMAGES)
    expected = ReferenceEvaluator(model).run(None, {"x": IMAGES})
    for (name, array), right in zip(actual.items(), expected, strict=True):
        assert array.shape == right.shape and array.dtype == right.dtype, name
        np.testing.assert_allclose(array, right, atol=0.05 if name in (raw, y, same) else 1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_an_output_that_counts_the_images(builder, save, batch: int) -> None:
    b = builder
    shape = b.node("Shape", [b.conv(b.input(3, 6, 6), "c", 4, 3, 3)], "shape")
    model = fix(b.model("c", shape), batch)
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.INT64
    report = check(save(model))
    assert report.supported == (batch == 1)
    if batch == 1:
        assert infer(save(model), IMAGES[:1])["shape"].tolist() == [1, 4, 4, 4]
