"""Models as onnxruntime's quantiser writes them, in every format it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from dse.network import inputs
from dse.network.tensor import NetworkError
from dse.onnx.importer import check, load
from sim import golden
from tests.meaning import evaluate


class Images(CalibrationDataReader):
    def __init__(self, images: np.ndarray) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"x": image[None]}


@pytest.fixture
def mixed(builder) -> onnx.ModelProto:
    """Residual addition, concatenation, groups, strides, all poolings, fully connected layers."""
    b = builder
    x = b.conv(b.input(3, 16, 14), "stem", 12, 3, 3, pads=[1, 0, 2, 1], strides=[2, 1])
    x = b.relu(x)
    y = b.conv(x, "grouped", 12, 4, 3, group=3, pads=[1] * 4)
    x = b.relu(b.node("Add", [x, y], "sum"))
    x = b.node("MaxPool", [x], "max", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    left = b.relu(b.conv(x, "left", 8, 12, 1))
    right = b.relu(b.conv(x, "right", 6, 12, 2, auto_pad="SAME_UPPER"))
    right = b.relu(b.conv(right, "dilated", 6, 6, 3, pads=[2] * 4, dilations=[2, 2]))
    x = b.node("Concat", [left, right, x], "joined", axis=1)
    x = b.node("AveragePool", [x], "average", kernel_shape=[2, 2], pads=[1, 0, 0, 1])
    x = b.relu(b.conv(x, "last", 10, 26, 3))
    y = b.node("GlobalAveragePool", [x], "global")
    x = b.node("Flatten", [x], "flat")
    x = b.node("Gemm", [x, b.weight("fc.w", 7, 80), b.weight("fc.b", 7)], "fc", transB=1)
    y = b.node("Flatten", [y], "flat2")
    y = b.node("MatMul", [y, b.weight("mm.w", 10, 7)], "mm")
    return b.model(b.node("Softmax", [b.node("Add", [x, y], "logits")], "probabilities"))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (24, 3, 16, 14)).astype(np.float32)


@pytest.fixture
def quantise(tmp_path: Path, images: np.ndarray) -> Callable[..., Path]:
    def run(model: onnx.ModelProto, **options: object) -> Path:
        path = tmp_path / "quantised.onnx"
        model = onnx.shape_inference.infer_shapes(model)
        add_pre_process_metadata(model)
        quantize_static(model, path, Images(images[:16]), **options)
        return path

    return run


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize("quant_format", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_follows_what_the_model_means(
    mixed, quantise, images, quant_format, activations, per_channel
) -> None:
    path = quantise(
        mixed,
        quant_format=quant_format,
        activation_type=activations,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    report = check(path)
    assert report.supported and report.kind == "quantised"
    imported = load(path)
    expected = evaluate(path, {"x": images})["probabilities"]
    actual = []
    for image in inputs.images({"x": images}):
        tensors = golden.run(imported.network, imported.host.before(image))
        actual.append(imported.host.after(image, tensors))
    probabilities = inputs.join(actual)["probabilities"]
    assert probabilities.dtype == expected.dtype and probabilities.shape == expected.shape
    # One unit in ten layers may grow to a few units of the logits; a wrong pad or tap grows more.
    np.testing.assert_allclose(probabilities, expected, atol=0.03)
    assert np.abs(probabilities - expected).mean() < 0.003


def test_uint8_weights_around_128_are_int8(mixed, quantise, tmp_path: Path) -> None:
    path = quantise(mixed, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    expected = load(path).network
    model = onnx.load(path)
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    moved = 0
    for node in model.graph.node:
        values = arrays.get(node.input[0])
        if node.op_type == "DequantizeLinear" and values is not None and values.dtype == np.int8:
            arrays[node.input[0]] = (values.astype(int) + 128).astype(np.uint8)
            arrays[node.input[2]] = np.full_like(arrays[node.input[2]], 128, np.uint8)
            moved += 1
    del model.graph.initializer[:]
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()
    )
    onnx.save(model, tmp_path / "uint8.onnx")
    actual = load(tmp_path / "uint8.onnx").network
    assert moved == 8
    for a, b in zip(actual.convolutions(), expected.convolutions(), strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
        np.testing.assert_array_equal(a.bias, b.bias)


@pytest.mark.parametrize("format_", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize(
    ("excluded", "calibrated"),
    [
        (["dilated", "left"], False),
        (["grouped", "stem"], True),
        (["last", "fc"], False),
        (["dilated", "right", "joined", "average", "last"], True),
    ],
)
def test_layers_left_in_float_are_quantised_on_the_spot(
    mixed, quantise, images, format_: QuantFormat, excluded: list[str], calibrated: bool
) -> None:
    path = quantise(mixed, quant_format=format_, nodes_to_exclude=excluded)
    report = check(path)
    assert report.supported
    weights = {"joined", "average"}
    assert {name.removesuffix("_quant") for name in report.left_in_float} == {*excluded} - weights
    imported = load(path, {"x": images} if calibrated else None)
    expected = evaluate(path, {"x": images})["probabilities"]
    for image, right in zip(inputs.images({"x": images}), expected, strict=True):
        tensors = golden.run(imported.network, imported.host.before(image))
        (found,) = imported.host.after(image, tensors).values()
        assert np.abs(found[0] - right).max() < (0.08 if calibrated else 0.1)


def test_an_input_left_in_float_needs_images(mixed, quantise) -> None:
    path = quantise(mixed, nodes_to_exclude=["stem"])
    report = check(path)
    assert (report.left_in_float, report.open_inputs) == (("stem",), ("x",))
    with pytest.raises(NetworkError, match="input 'x', which the model leaves in float, needs"):
        load(path)


def test_the_greatest_integers_of_an_image(builder, save) -> None:
    """ReduceMax of a quantised tensor chooses among its integers."""
    b = builder
    scale, zero = b.constant("scale", np.float32(0.05)), b.constant("zero", np.uint8(120))
    q = b.node("QuantizeLinear", [b.input(3, 6, 6), scale, zero], "q")
    most = b.node("ReduceMax", [q], "most", axes=[2, 3], keepdims=0)
    y = b.node("DequantizeLinear", [most, scale, zero], "y")
    path = save(b.model(y))
    assert check(path).layers == (("most", "max"),)
    x = np.random.default_rng(1).normal(0, 3, (4, 3, 6, 6)).astype(np.float32)
    imported = load(path)
    answers = [imported.answer(image, golden.run) for image in inputs.images({"x": x})]
    integers = np.clip(np.rint(x / np.float32(0.05)) + 120, 0, 255).max(axis=(2, 3))
    expected = (integers - 120).astype(np.float32) * np.float32(0.05)
    np.testing.assert_array_equal(inputs.join(answers)["y"], expected)
