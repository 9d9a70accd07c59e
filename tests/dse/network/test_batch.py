"""Images run one at a time: only where that is what the model means for many; and odd outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from dse.network import inputs
from dse.network.graph import NetworkError
from dse.onnx.importer import check, load
from sim import golden

IMAGES = np.random.default_rng(0).normal(size=(3, 3, 6, 6)).astype(np.float32)


def infer(path: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    imported = load(path, {"x": batch})
    results = []
    for image in inputs.images({"x": batch}):
        tensors = golden.run(imported.network, imported.host.before(image))
        results.append(imported.host.after(image, tensors))
    return inputs.join(results)


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
