"""Float models quantised with calibration images: the golden model follows the float model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from dse.network import inputs
from dse.network.graph import Conv, NetworkError, Pool
from dse.onnx.importer import Imported, check, load
from sim import golden

Batch = dict[str, np.ndarray]


def infer(imported: Imported, batch: Batch) -> Batch:
    results = []
    for image in inputs.images(batch):
        tensors = golden.run(imported.network, imported.host.before(image))
        results.append(imported.host.after(image, tensors))
    return inputs.join(results)


@pytest.fixture
def follow(save) -> Callable[[onnx.ModelProto, Batch], Imported]:
    """Import a float model and compare all outputs with it on the calibration images."""

    def run(model: onnx.ModelProto, batch: Batch, tolerance: float = 0.05) -> Imported:
        path = save(model)
        assert check(path).supported
        imported = load(path, batch)
        actual = infer(imported, batch)
        session = onnxruntime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        assert list(actual) == names
        for name, expected in zip(names, session.run(names, batch), strict=True):
            assert actual[name].dtype == expected.dtype
            assert actual[name].shape == expected.shape
            span = float(expected.max()) - float(expected.min())
            assert np.abs(actual[name].astype(float) - expected).max() <= tolerance * span, name
        return imported

    return run


def normal(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def test_batch_normalisation_and_gains_fold_into_the_convolution(builder, follow) -> None:
    b = builder
    x = b.node("Conv", [b.input(3, 8, 8), b.weight("w", 6, 3, 3, 3)], "conv", pads=[1] * 4)
    parameters = [b.constant(n, np.linspace(0.5, 1.5, 6, dtype=np.float32)) for n in "sbmv"]
    x = b.node("BatchNormalization", [x, *parameters], "bn")
    x = b.node("Mul", [x, b.constant("gain", normal(6, 1, 1))], "mul")
    x = b.node("Sub", [x, b.constant("offset", normal(1, 6, 1, 1))], "sub")
    x = b.node("Clip", [x, "", b.constant("six", np.float32(2.0))], "clip")
    imported = follow(b.model(b.relu(x)), {"x": normal(8, 3, 8, 8)})
    assert [type(op) for op in imported.network.operators] == [Conv]


def test_batch_normalisation_elsewhere_becomes_a_depthwise_convolution(builder, follow) -> None:
    b = builder
    x = b.relu(b.conv(b.input(3, 8, 8), "conv", 6, 3, 3))
    parameters = [b.constant(n, np.linspace(0.5, 1.5, 6, dtype=np.float32)) for n in "sbmv"]
    x = b.node("BatchNormalization", [x, *parameters], "bn")
    imported = follow(b.model(b.relu(x)), {"x": normal(8, 3, 8, 8)})
    conv, norm = imported.network.operators
    assert isinstance(norm, Conv) and norm.groups == 6 and norm.window.kernel == (1, 1)
    assert (np.abs(norm.weight) == 127).all()
    assert conv.high == 127


def test_a_range_shared_with_other_readers_stays_an_operator(builder, follow) -> None:
    b = builder
    x = b.conv(b.input(3, 8, 8), "conv", 6, 3, 3)
    imported = follow(b.model(b.relu(x), b.node("Identity", [x], "raw")), {"x": normal(8, 3, 8, 8)})
    conv, relu = imported.network.operators
    assert isinstance(conv, Conv) and isinstance(relu, Pool)
    assert set(imported.network.outputs) == {conv.output, relu.output}


@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("include", [0, 1])
def test_pooling(builder, follow, ceil: int, include: int) -> None:
    b = builder
    x = b.input(4, 9, 10)
    window = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1], "ceil_mode": ceil}
    y = b.node("AveragePool", [x], "average", count_include_pad=include, **window)
    z = b.node("MaxPool", [x], "max", dilations=[1, 2], **window)
    follow(b.model(y, z), {"x": normal(6, 4, 9, 10) + 1}, tolerance=0.02)


def test_global_pooling_and_means(builder, follow) -> None:
    b = builder
    x = b.input(4, 5, 6)
    outputs = [
        b.node("GlobalAveragePool", [x], "average"),
        b.node("GlobalMaxPool", [x], "max"),
        b.node("ReduceMax", [x], "most", axes=[2, 3]),
        b.node("ReduceMean", [x], "mean", axes=[-1, -2], keepdims=0),
    ]
    imported = follow(b.model(*outputs), {"x": normal(6, 4, 5, 6)})
    kinds = [op.kind for op in imported.network.operators if isinstance(op, Pool)]
    assert kinds == ["average", "max", "max", "average"]


def test_reals_of_another_type_are_the_same_tensor(builder, save) -> None:
    """Mixed precision: only the image is cast before the overlay, and each output has its type."""
    b = builder

    def half(name: str, *shape: int) -> str:
        return b.constant(name, normal(*shape).astype(np.float16))

    x = b.node("Cast", [b.input(3, 8, 8)], "image", to=TensorProto.FLOAT16)
    x = b.node("Conv", [x, half("w", 4, 3, 3, 3)], "before")
    y = b.node("Sigmoid", [b.node("Cast", [x], "up", to=TensorProto.FLOAT)], "gate")
    x = b.node("Mul", [x, b.node("Cast", [y], "down", to=TensorProto.FLOAT16)], "gated")
    x = b.node("Conv", [x, half("v", 2, 4, 1, 1)], "after")
    model = b.model(x, b.node("Cast", [x], "real", to=TensorProto.DOUBLE))
    for output, kind in zip(model.graph.output, ("FLOAT16", "DOUBLE"), strict=True):
        output.type.tensor_type.elem_type = getattr(TensorProto, kind)
    path = save(model)
    report = check(path)
    assert report.supported and (report.head, report.middle, report.tail) == (("image",), (), ())
    batch = {"x": normal(8, 3, 8, 8)}
    actual = infer(load(path, batch), batch)
    expected = dict(zip(actual, onnxruntime.InferenceSession(path).run(None, batch), strict=True))
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        assert np.abs(actual[name] - array).max() <= 0.03 * float(np.ptp(array)), name


def test_a_cast_to_integers_is_the_hosts(builder, save) -> None:
    b = builder
    x = b.node("Cast", [b.conv(b.input(3, 8, 8), "before", 4, 3, 3)], "cut", to=TensorProto.INT32)
    x = b.node("Cast", [x], "back", to=TensorProto.FLOAT)
    report = check(save(b.model(b.conv(x, "after", 4, 4, 1))))
    assert report.middle == ("cut", "back")


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad(builder, follow, mode: str) -> None:
    b = builder
    x = b.conv(b.input(3, 9, 8), "conv", 5, 3, 4, auto_pad=mode, strides=[2, 3])
    y = b.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 1], auto_pad=mode)
    follow(b.model(y), {"x": normal(8, 3, 9, 8)})


@pytest.mark.parametrize("value", [-np.inf, np.finfo(np.float32).min, -65504.0])
@pytest.mark.parametrize("entry", [False, True])
def test_padding_that_no_maximum_chooses(builder, follow, value: float, entry: bool) -> None:
    """As "same" maxima are exported: what is below all values is the padding of the MaxPool."""
    b = builder
    x = b.input(3, 9, 8) if entry else b.conv(b.input(3, 9, 8), "conv", 3, 3, 1)
    sides = b.constant("sides", np.int64([0, 0, 0, 1, 0, 0, 1, 1]))
    x = b.node("Pad", [x, sides, b.constant("value", np.float32(value))], "padded")
    x = b.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    imported = follow(b.model(b.conv(x, "last", 5, 3, 1)), {"x": normal(8, 3, 9, 8)})
    assert sum(isinstance(op, Pool) for op in imported.network.operators) == 1


@pytest.mark.parametrize(("kernel", "reader"), [(3, "Relu"), (1, "MaxPool")])
def test_padding_below_all_values_that_others_read(builder, save, kernel: int, reader: str) -> None:
    """No other layer can take it, nor a maximum whose window lies in the padding."""
    b = builder
    x = b.conv(b.input(3, 9, 8), "conv", 3, 3, 1)
    sides = b.constant("sides", np.int64([0, 0, 1, 1, 0, 0, 1, 1]))
    x = b.node("Pad", [x, sides, b.constant("value", np.float32(-np.inf))], "padded")
    options = {"kernel_shape": [kernel, kernel]} if reader == "MaxPool" else {}
    report = check(save(b.model(b.conv(b.node(reader, [x], "reads", **options), "last", 5, 3, 1))))
    assert not report.supported
    assert [problem.name for problem in report.problems] == ["padded"]


def test_inputs_and_outputs_by_name_in_the_models_types(builder, follow) -> None:
    """Preprocessing and post-processing stay on the host; sums of three become a chain."""
    b = builder
    image = b.input(8, 6, 3, name="image", dtype=TensorProto.UINT8)
    image = b.node("Cast", [image], "cast", to=TensorProto.FLOAT)
    image = b.node("Div", [image, b.constant("full", np.float32(255))], "scaled")
    image = b.node("Transpose", [image], "nchw", perm=[0, 3, 1, 2])
    x = b.conv(image, "a", 5, 3, 3)
    y = b.conv(b.input(2, 6, 4, name="other"), "b", 5, 2, 1)
    total = b.node("Sum", [x, y, x], "sum")
    pooled = b.node("GlobalAveragePool", [total], "pooled")
    flat = b.node("Squeeze", [pooled, b.constant("axes", np.array([2, 3]))], "flat")
    b.node("Softmax", [flat], "probability")
    b.node("Transpose", [total], "nhwc", perm=[0, 2, 3, 1])
    batch = {
        "image": np.random.default_rng(1).integers(0, 256, (8, 8, 6, 3), np.uint8),
        "other": normal(8, 2, 6, 4),
    }
    imported = follow(b.model("probability", "nhwc"), batch)
    assert imported.network.inputs == ("nchw", "other")
    assert imported.host.outputs == ("probability", "nhwc")


def test_several_classes_of_labels(builder, save) -> None:
    """Outputs that are integers (ArgMax) come back as integers."""
    b = builder
    x = b.node("Flatten", [b.input(2, 3, 3)], "flat")
    x = b.node("Gemm", [x, b.weight("w", 4, 18), b.weight("c", 4)], "fc", transB=1)
    b.node("ArgMax", [x], "label", axis=1, keepdims=0)
    model = b.model("label")
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    path, batch = save(model), {"x": normal(30, 2, 3, 3)}
    labels = infer(load(path, batch), batch)["label"]
    (expected,) = onnxruntime.InferenceSession(path).run(None, batch)
    assert labels.dtype == np.int64 and labels.shape == (30,)
    assert (labels == expected).mean() > 0.9


def test_fully_connected_layers_reorder_their_weights(builder, follow) -> None:
    """Flattening is in NCHW order, the overlay's tensors in HWC order."""
    b = builder
    x = b.conv(b.input(3, 6, 5), "conv", 4, 3, 3)
    shape = b.constant("shape", np.array([0, -1]))
    x = b.relu(b.node("Reshape", [x, shape], "flat"))
    x = b.node("Gemm", [x, b.weight("w1", 48, 9), b.weight("c", 1)], "fc", alpha=0.5, beta=2.0)
    x = b.node("MatMul", [b.relu(x), b.weight("w2", 9, 7)], "mm")
    x = b.node("Add", [x, b.weight("offset", 7)], "biased")
    imported = follow(b.model(x), {"x": normal(16, 3, 6, 5)})
    conv, fc, mm = imported.network.operators
    assert conv.low == imported.network.tensors[conv.output].quantisation.zero_point
    assert fc.window.kernel == (4, 3) and mm.bias.any()


def test_shapes_computed_in_the_graph(builder, follow) -> None:
    """PyTorch flattens by the batch size it reads from the image."""
    b = builder
    x = b.conv(b.input(3, 6, 6), "conv", 4, 3, 3)
    shape = b.node("Shape", [x], "shape")
    batch = b.node("Gather", [shape, b.constant("zero", np.array(0))], "n")
    batch = b.node("Unsqueeze", [batch, b.constant("axis", np.array([0]))], "n1")
    target = b.node("Concat", [batch, b.constant("rest", np.array([-1]))], "target", axis=0)
    x = b.node("Reshape", [x, target], "flat")
    x = b.node("Gemm", [x, b.weight("w", 5, 64), b.weight("c", 5)], "fc", transB=1)
    follow(b.model(x), {"x": normal(8, 3, 6, 6)})


def test_reshape_that_keeps_the_bytes(builder, follow) -> None:
    b = builder
    x = b.input(24)
    x = b.node("Gemm", [x, b.weight("w", 36, 24)], "fc", transB=1)
    x = b.node("Reshape", [x, b.constant("image", np.array([0, 1, 6, 6]))], "map")
    imported = follow(b.model(b.relu(b.conv(x, "conv", 3, 1, 3))), {"x": normal(8, 24)})
    assert [type(op).__name__ for op in imported.network.operators] == ["Conv", "Reshape", "Conv"]


def test_reshape_that_mixes_channels_is_reported(builder, save) -> None:
    b = builder
    x = b.node("Reshape", [b.input(4, 6, 6), b.constant("s", np.array([0, 2, 12, 6]))], "mixed")
    x = b.conv(b.relu(x), "conv", 3, 2, 3)
    y = b.conv(b.relu(x), "conv2", 4, 3, 1)
    y = b.node("Reshape", [y, b.constant("t", np.array([0, 2, 8, 10]))], "mixed2")
    report = check(save(b.model(b.conv(y, "conv3", 2, 2, 1))), strict=True)
    assert [problem.name for problem in report.problems] == ["mixed2"]
    assert "mixes channels and pixels" in report.problems[0].reason


def test_concat_branches_write_its_quantisation_themselves(builder, follow) -> None:
    """Small branches keep the range their own quantisation had; shared ones are requantised."""
    b = builder
    x = b.relu(b.conv(b.input(3, 8, 8), "stem", 6, 3, 1))
    small = b.constant("small", normal(4, 6, 1, 1) * 0.1)
    y = b.relu(b.node("Conv", [x, small], "small_branch"))
    inner = b.node("Concat", [y, b.conv(x, "other", 3, 6, 1)], "inner", axis=1)
    b.node("Concat", [x, inner], "joined", axis=1)
    b.relu(b.conv("joined", "after", 4, 13, 1))
    imported = follow(b.model("after.relu", "joined"), {"x": normal(12, 3, 8, 8)})
    network = imported.network
    shared = network.tensors["joined"].quantisation
    assert network.tensors["small_branch.relu"].quantisation == shared
    branch = network.producers["small_branch.relu"]
    assert isinstance(branch, Conv) and branch.low == shared.zero_point and branch.high < 127
    requantised = [op for op in network.operators if isinstance(op, Pool)]
    assert len(requantised) <= 1


def test_channels_of_zeros(builder, follow) -> None:
    """A channel without weights is its bias; a layer without weights is as well."""
    b = builder
    weight = normal(4, 3, 3, 3)
    weight[1] = 0
    bias = b.constant("bias", np.array([0.1, 2.0, -0.3, 0], np.float32))
    x = b.node("Conv", [b.input(3, 6, 6), b.constant("w", weight), bias], "conv")
    zeros = b.constant("zeros", np.zeros((2, 4, 1, 1), np.float32))
    offsets = b.constant("offsets", np.array([1.0, -1.0], np.float32))
    y = b.node("Conv", [x, zeros, offsets], "constant")
    follow(b.model(x, y), {"x": normal(8, 3, 6, 6)})


def test_dead_channels(builder, follow) -> None:
    """Folding leaves weights of any small size; their channels are their biases."""
    b = builder
    x = b.node("Conv", [b.input(3, 8, 8), b.weight("w", 6, 3, 3, 3)], "conv")
    gain = b.constant("s", np.float32([1, 1e-3, 1e-7, 1e-12, 1e-25, 1e-38]))
    offset = b.constant("b", np.float32([0.1, 0.2, -0.7, 0.3, 2.5, 1.1]))
    mean, variance = (b.constant(n, np.full(6, v, np.float32)) for n, v in (("m", 0), ("v", 1)))
    x = b.node("BatchNormalization", [x, gain, offset, mean, variance], "bn")
    follow(b.model(x), {"x": normal(8, 3, 8, 8)}, tolerance=0.01)


def test_old_opsets(builder, follow) -> None:
    b = builder
    x = b.node("Dropout", [b.input(3, 6, 6)], "dropped", ratio=0.5)
    x = b.node("Clip", [b.conv(x, "conv", 4, 3, 3)], "relu6", min=0.0, max=6.0)
    x = b.node("Unsqueeze", [x], "more", axes=[0])
    x = b.node("Squeeze", [x], "less", axes=[0])
    x = b.node("Flatten", [x], "flat")
    x = b.node("Gemm", [x, b.weight("w", 5, 64), b.weight("c", 5)], "fc", transB=1)
    follow(b.model(x, opset=9), {"x": normal(8, 3, 6, 6)})


def test_a_fixed_batch_is_no_obstacle(builder, follow, save) -> None:
    b = builder
    model = b.model(b.relu(b.conv(b.input(3, 6, 6), "conv", 4, 3, 3)))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    imported = load(save(model), {"x": normal(3, 3, 6, 6)})
    assert imported.host.inputs[0].shape == (1, 3, 6, 6)


def test_calibration_is_asked_for_in_one_line(builder, save) -> None:
    path = save(builder.model(builder.relu(builder.input(3, 6, 6))))
    with pytest.raises(NetworkError, match=r"needs calibration images.*\(x\)") as error:
        load(path)
    assert "\n" not in str(error.value)


def test_import_is_deterministic(builder, save) -> None:
    b = builder
    path = save(b.model(b.relu(b.conv(b.input(3, 6, 6), "conv", 4, 3, 3))))
    first, second = (load(path, {"x": normal(8, 3, 6, 6)}).network for _ in range(2))
    assert first.tensors == second.tensors
    for a, b in zip(first.convolutions(), second.convolutions(), strict=True):
        assert a.weight.tobytes() == b.weight.tobytes() and a.bias.tobytes() == b.bias.tobytes()
    assert first.source_sha256 == second.source_sha256 != ""


@pytest.mark.parametrize("op", ["GlobalMaxPool", "GlobalAveragePool"])
def test_a_pooling_over_all_of_a_long_signal(builder, follow, op: str) -> None:
    """Longer than an instruction's window: the signal is folded into an image."""
    b = builder
    x = b.node("Conv", [b.input(3, 600), b.weight("w", 4, 3, 3)], "conv", pads=[1, 1])
    imported = follow(b.model(b.node(op, [x], "pooled")), {"x": normal(4, 3, 600)})
    (pool,) = (one for one in imported.network.operators if isinstance(one, Pool))
    assert pool.window.kernel == (3, 200)
