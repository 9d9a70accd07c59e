"""Whole networks through the golden model: the demo's accuracy, and agreement in every operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from dse.network import inputs
from dse.network.graph import Network
from dse.onnx.importer import Imported, load
from dse.onnx.randomise import randomise
from sim import golden
from tests.kit.qdq import qdq_model
from tests.meaning import evaluate

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.fixture(scope="module")
def digits() -> Imported:
    return load(EXAMPLE / "digits.onnx", inputs.read_arrays(EXAMPLE / "calibration.npz"))


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory) -> Imported:
    path = tmp_path_factory.mktemp("squeezenet") / "squeezenet.onnx"
    onnx.save(randomise(onnx.load(LIGHT / "light_squeezenet.onnx"), seed=1), path)
    return load(path, {"data_0": images(2)})


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (count, 3, 224, 224)).astype(np.float32)


def test_the_demo_keeps_its_accuracy(digits: Imported) -> None:
    path = EXAMPLE / "test_images.npz"
    arrays = inputs.read_inputs(path, digits.host.inputs)
    labels = inputs.read_arrays(path)["labels"]
    assert len(labels) >= 100
    (expected,) = onnxruntime.InferenceSession(EXAMPLE / "digits.onnx").run(None, arrays)
    results = []
    for image in inputs.images(arrays):
        tensors = golden.run(digits.network, digits.host.before(image))
        results.append(digits.host.after(image, tensors))
    actual = inputs.join(results)["probability"]
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    float_accuracy = (expected.argmax(axis=1) == labels).mean()
    accuracy = (actual.argmax(axis=1) == labels).mean()
    assert float_accuracy >= 0.97 and accuracy >= float_accuracy - 0.01
    assert 300_000 <= digits.network.macs() <= 2_000_000


def test_digits_agree_with_float_arithmetic(digits: Imported) -> None:
    arrays = inputs.read_inputs(EXAMPLE / "test_images.npz", digits.host.inputs)
    batch = [digits.host.before(image) for image in list(inputs.images(arrays))[:40]]
    agree("digits", digits.network, batch)


def test_squeezenet_agrees_with_float_arithmetic(squeezenet: Imported) -> None:
    batch = [squeezenet.host.before({"data_0": image[None]}) for image in images(2)]
    agree("squeezenet", squeezenet.network, batch)


def agree(name: str, network: Network, batch: list[dict[str, np.ndarray]]) -> None:
    """Each operator, fed with the reference's tensors, is within one unit; the end is near as well.

    ``pytest -s`` prints the mismatch rates that docs/network.md quotes.
    """
    model = qdq_model(network, intermediate=True)
    values = single = whole = largest = 0
    for tensors in batch:
        feeds = {key: x.transpose(2, 0, 1)[None].copy() for key, x in tensors.items()}
        results = evaluate(model, feeds)
        reference = tensors | {key: y[0].transpose(1, 2, 0) for key, y in results.items()}
        actual = golden.run(network, tensors)
        for op in network.operators:
            alone = Network(
                "alone",
                {key: network.tensors[key] for key in (*op.inputs, op.output)},
                (op,),
                tuple(dict.fromkeys(op.inputs)),
                (op.output,),
            )
            y = golden.run(alone, reference)[op.output].astype(int)
            difference = np.abs(y - reference[op.output])
            assert difference.max() <= 1, op.name
            values += difference.size
            single += np.count_nonzero(difference)
            difference = np.abs(actual[op.output].astype(int) - reference[op.output])
            whole += np.count_nonzero(difference)
            largest = max(largest, int(difference.max()))
    print(
        f"\n{name}: {values} values; operators alone {single / values:.2e} differ by one;"
        f" whole network {whole / values:.2e} differ, by {largest} at most",
        end="",
    )
    # One unit early on moves values of many later layers, which then round the other way.
    assert single / values < 0.002 and whole / values < 0.2 and largest <= 10
