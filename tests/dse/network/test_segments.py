"""The host between segments of the overlay: which nodes, which tensors, and the same answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import polymap
from dse.assembly.program_error import ProgramError
from dse.compile.segmented import compile_segments
from dse.network.graph import Network
from dse.network.inputs import images, join
from dse.network.segments import segments
from dse.onnx.findings import UnsupportedError
from dse.onnx.importer import Imported, check, load, outline
from dse.tiling.layer_mapping import LayerMapping
from sim import functional, golden
from tests.dse.network.conftest import Builder
from tests.fuzz.explorations import kept
from tests.meaning import evaluate

RNG = np.random.default_rng(7)
Save = Callable[[onnx.ModelProto], Path]


def softmax(b: Builder, x: str, name: str) -> str:
    """An operator that the overlay does not have."""
    return b.node("Softmax", [x], name, axis=1)


def in_the_middle(b: Builder) -> str:
    x = softmax(b, b.relu(b.conv(b.input(3, 8, 8), "a", 4, 3, 3)), "s")
    return b.conv(x, "b", 5, 4, 3)


def twice(b: Builder) -> str:
    return b.conv(b.relu(softmax(b, in_the_middle(b), "t")), "c", 3, 5, 1)


def on_one_branch(b: Builder) -> str:
    """The other branch waits in DRAM for the sum."""
    x = b.relu(b.conv(b.input(3, 8, 8), "a", 4, 3, 3))
    left = b.conv(softmax(b, x, "s"), "b", 5, 4, 1)
    right = b.conv(x, "c", 5, 4, 1)
    return b.conv(b.relu(b.node("Add", [left, right], "sum")), "d", 3, 5, 3)


def two_crossings(b: Builder) -> str:
    """Two tensors leave and come back."""
    x = b.input(3, 8, 8)
    one, other = b.conv(x, "a", 4, 3, 3), b.conv(x, "c", 4, 3, 3)
    length = b.node("LpNormalization", [other], "length", axis=1)
    both = b.node("Concat", [softmax(b, one, "s"), length], "both", axis=1)
    return b.conv(both, "d", 3, 8, 3)


def recurrent(b: Builder) -> str:
    """As text recognisers have it: columns are steps of a sequence."""
    x = b.relu(b.conv(b.input(3, 6, 10), "a", 4, 3, 6))
    b.inputs[0].type.tensor_type.shape.dim[0].dim_value = 1  # else images would be amid the steps
    x = b.node("Squeeze", [x, b.constant("two", np.int64([2]))], "row")
    x = b.node("Transpose", [x], "steps", perm=[2, 0, 1])
    weights = [b.weight("w", 1, 12, 4), b.weight("r", 1, 12, 3), b.weight("g", 1, 24)]
    b.nodes.append(helper.make_node("LSTM", [x, *weights], ["h"], name="lstm", hidden_size=3))
    x = b.node("Transpose", ["h"], "image", perm=[2, 1, 3, 0])
    return b.conv(x, "b", 5, 1, 1)


def across(b: Builder) -> str:
    """Channels and columns change places, as in networks of sequences: only the host does that."""
    x = b.relu(b.conv(b.input(3, 8, 72), "a", 96, 3, 3, strides=[8, 1]))
    x = b.node("Squeeze", [x, b.constant("two", np.int64([2]))], "row")
    x = b.node("Transpose", [x], "across", perm=[0, 2, 1])
    return b.node("Conv", [x, b.weight("w", 5, 70, 3)], "b")


def in_blocks(b: Builder) -> str:
    """What the host hands back is read in blocks of 2 x 2."""
    x = softmax(b, b.relu(b.conv(b.input(3, 8, 8), "a", 4, 3, 3)), "s")
    return b.conv(x, "b", 5, 4, 2, strides=[2, 2], pads=[0] * 4)


COUNTS = {
    in_the_middle: 2,
    twice: 3,
    on_one_branch: 2,
    two_crossings: 2,
    recurrent: 2,
    across: 2,
    in_blocks: 2,
}


def calibration(path: Path, count: int = 3) -> dict[str, np.ndarray]:
    shape = [d.dim_value for d in onnx.load(path).graph.input[0].type.tensor_type.shape.dim][1:]
    return {"x": RNG.normal(size=(count, *shape)).astype(np.float32)}


def programs_answer(model: Imported, image: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By the functional model, from the programs of the segments."""
    config = polymap.fit(model, polymap.configuration(4, 6, 2))
    programs = dict(zip(model.segments, compile_segments(model.network, config), strict=True))

    def execute(network: Network, inputs: dict) -> dict:
        return functional.run(programs[network], config, inputs).outputs

    return model.answer(image, execute)


@pytest.mark.parametrize("build", COUNTS)
def test_golden_functional_and_float_agree(builder, save: Save, build: Callable) -> None:
    path = save(builder.model(build(builder)))
    report = check(path)
    assert report.supported and report.segments == COUNTS[build]
    arrays = calibration(path)
    model = load(path, arrays)
    assert len(model.segments) == COUNTS[build]
    expected = join([evaluate(path, image) for image in images(arrays)])
    for image, right in zip(
        images(arrays), np.split(next(iter(expected.values())), 3), strict=True
    ):
        (answer,) = model.answer(image, golden.run).values()
        (same,) = programs_answer(model, image).values()
        np.testing.assert_array_equal(answer, same)
        assert np.abs(answer - right).max() < 0.06 * np.abs(right).max()


@pytest.mark.parametrize("build", COUNTS)
def test_what_is_explored_compiles(builder, save: Save, build: Callable) -> None:
    path = save(builder.model(build(builder)))
    found = polymap.explore(polymap.workload(path), None, array=(4, 6), certify=False)
    verdict = kept(load(path, calibration(path, 1)).network, found)
    assert verdict.good, verdict


def test_what_runs_where_and_what_a_crossing_costs(builder, save: Save) -> None:
    path = save(builder.model(two_crossings(builder)))
    report = check(path)
    (crossing,) = report.crossings
    assert report.middle == ("length", "s") and not report.head and not report.tail
    assert crossing.nodes == (("length", "LpNormalization"), ("s", "Softmax"))
    assert [one.name for one in crossing.refused] == ["length", "s"]
    assert crossing.stored == crossing.loaded == 2 * 6 * 6 * 4


def test_the_host_moves_what_a_layer_reads_and_leaves_it_the_layer(builder, save: Save) -> None:
    report = check(save(builder.model(across(builder))))
    assert report.middle == ("across",)
    assert [kind for _, kind in report.layers] == ["conv", "conv"]


def test_a_branch_that_waits_is_stored_and_loaded(builder, save: Save) -> None:
    network = outline(save(builder.model(on_one_branch(builder))))
    first, second = segments(network)
    assert len(network.arrivals) == 1 and set(network.arrivals.values()) == {1}
    assert set(first.outputs) - set(second.inputs) == {"a.relu"}
    assert set(second.inputs) - set(first.outputs) == set(network.arrivals)
    assert {op.name for op in first.operators} == {"a", "c"}


@pytest.mark.parametrize("build", COUNTS)
def test_strict_refuses_the_middle(builder, save: Save, build: Callable) -> None:
    path = save(builder.model(build(builder)))
    report = check(path, strict=True)
    assert not report.supported and not report.crossings
    for refuse in (load, outline):
        with pytest.raises(UnsupportedError) as raised:
            refuse(path, strict=True)
        assert raised.value.problems == report.problems
    head = Builder()
    x = head.node("Sub", [head.input(3, 8, 8), head.constant("m", np.float32(1))], "centred")
    path = save(head.model(softmax(head, head.conv(x, "a", 4, 3, 3), "end")))
    assert check(path, strict=True).supported


def test_a_segment_without_a_convolution_is_the_hosts(builder, save: Save) -> None:
    b = builder
    x = softmax(b, b.conv(b.input(3, 8, 8), "a", 4, 3, 3), "s")
    x = b.relu(b.node("MaxPool", [x], "pool", kernel_shape=[2, 2]))
    path = save(b.model(b.conv(softmax(b, x, "t"), "b", 3, 4, 1)))
    report = check(path)
    assert report.middle == ("s", "pool", "pool.relu", "t") and report.segments == 2
    assert [name for name, _ in report.layers] == ["a", "b"]


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_segment_that_multiplies_next_to_nothing_is_the_hosts(
    builder, save: Save, outputs: int
) -> None:
    """The weighted mean at the end of a YOLOv8: one product for each share."""
    b = builder
    x = b.conv(b.input(3, 8, 8), "a", 32, 3, 3)
    x = b.node("Reshape", [x, b.constant("sides", np.int64([0, 4, 8, 36]))], "sides.x")
    x = b.node("Transpose", [x], "shares.first", perm=[0, 2, 1, 3])
    report = check(save(b.model(b.conv(softmax(b, x, "shares"), "mean", outputs, 8, 1))))
    assert report.segments == outputs
    assert ("mean" in report.tail) == (outputs == 1)


def test_what_no_convolution_needs_stays_at_the_end(builder, save: Save) -> None:
    b = builder
    x = softmax(b, b.conv(b.input(3, 8, 8), "a", 4, 3, 3), "s")
    report = check(save(b.model(b.conv(x, "b", 3, 4, 1), b.relu(x))))
    assert report.middle == ("s",) and report.tail == ("s.relu",)


def test_an_integer_that_comes_back(builder, save: Save) -> None:
    """Integers without a scale mean themselves."""
    b = builder
    x = b.conv(b.input(3, 8, 8), "a", 4, 3, 3)
    x = b.node("ArgMax", [x], "largest", axis=1)
    x = b.node("Cast", [x], "small", to=TensorProto.INT8)
    x = b.node(
        "Cast", [b.node("MaxPool", [x], "m", kernel_shape=[2, 2])], "y", to=TensorProto.FLOAT
    )
    path = save(b.model(b.conv(x, "b", 2, 1, 1)))
    arrays = calibration(path, 1)
    model = load(path, arrays)
    (answer,) = model.answer(arrays, golden.run).values()
    (same,) = programs_answer(model, arrays).values()
    np.testing.assert_array_equal(answer, same)
    (right,) = evaluate(path, arrays).values()
    assert np.abs(answer - right).mean() < 0.1 * np.abs(right).max()


def test_a_quantised_model_means_what_it_says(builder, save: Save) -> None:
    """Rounded where it says so, and nowhere else: the answers differ by a unit at most."""
    b = builder

    def pair(x: str, scale: float) -> str:
        known = [b.constant(f"{x}.s", np.float32(scale)), b.constant(f"{x}.z", np.int8(3))]
        return b.node(
            "DequantizeLinear", [b.node("QuantizeLinear", [x, *known], f"{x}.q"), *known], f"{x}.d"
        )

    def conv(x: str, name: str, cout: int, cin: int) -> str:
        b.constant(f"{name}.w", RNG.integers(-127, 128, (cout, cin, 3, 3)).astype(np.int8))
        scale = b.constant(f"{name}.ws", np.float32(0.01))
        weight = b.node("DequantizeLinear", [f"{name}.w", scale], f"{name}.wd")
        return pair(b.node("Conv", [x, weight], name), 0.2)

    x = conv(pair(b.input(3, 8, 8), 0.02), "a", 4, 3)
    y = conv(pair(softmax(b, x, "s"), 0.004), "b", 5, 4)
    path = save(b.model(y))
    image = {"x": RNG.normal(size=(1, 3, 8, 8)).astype(np.float32)}
    model = load(path)
    assert len(model.segments) == 2
    (answer,) = model.answer(image, golden.run).values()
    np.testing.assert_array_equal(answer, *programs_answer(model, image).values())
    (right,) = evaluate(path, image).values()
    assert np.abs(np.rint((answer - right) / 0.2)).max() <= 1


def test_products_of_integers_are_never_the_hosts(builder, save: Save) -> None:
    b = builder
    b.input(3, 8, 8)
    for name, value in (("s", np.float32(0.02)), ("z", np.uint8(128)), ("w", np.uint8(0))):
        b.constant(name, value)
    b.constant("v", np.full((4, 3, 1, 1), 255, np.uint8))
    x = b.node("QuantizeLinear", ["x", "s", "z"], "q")
    x = b.node("ConvInteger", [x, "v", "z", "w"], "product")
    x = b.node("Cast", [x], "real", to=TensorProto.FLOAT)
    (problem,) = check(save(b.model(b.conv(x, "c", 2, 4, 1)))).problems
    assert problem.name == "product"


def test_a_mapping_is_of_all_segments(builder, save: Save) -> None:
    path = save(builder.model(in_the_middle(builder)))
    model = load(path, calibration(path))
    config = polymap.configuration(4, 6, 2)
    choices = {"layers": {"a": {"dataflow": "WS"}, "b": {"dataflow": "IS"}}}
    programs = compile_segments(model.network, config, LayerMapping.from_json(choices))
    assert [one.manifest.layers[-1].dataflow for one in programs] == ["WS", "IS"]
    choices["layers"]["z"] = {"dataflow": "WS"}
    with pytest.raises(ProgramError, match="no convolution named 'z'"):
        compile_segments(model.network, config, LayerMapping.from_json(choices))
