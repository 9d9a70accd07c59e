"""Random weights: the same for the same seed, and of a size that keeps activations in range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from dse.onnx.randomise import randomise


def test_seeded(light: Path) -> None:
    model = onnx.load(light / "light_squeezenet.onnx")
    first, again, other = (randomise(model, seed).SerializeToString() for seed in (1, 1, 2))
    assert first == again != other


def test_activations_keep_their_range(light: Path) -> None:
    model = randomise(onnx.load(light / "light_squeezenet.onnx"), seed=3)
    assert not any(node.op_type == "ConstantOfShape" for node in model.graph.node)
    assert [value.name for value in model.graph.input] == ["data_0"]
    scores = onnx.helper.make_empty_tensor_value_info(model.graph.node[-1].input[0])
    model.graph.output.append(scores)
    image = np.random.default_rng(0).normal(0, 1, (1, 3, 224, 224)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (values,) = session.run([scores.name], {"data_0": image})
    assert 0.01 < values.std() < 100


def test_batch_normalisation_is_drawn_around_one(light: Path) -> None:
    original = onnx.load(light / "light_resnet50.onnx")
    drawn = {node.output[0] for node in original.graph.node if node.op_type == "ConstantOfShape"}
    model = randomise(original, seed=3)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    checked = 0
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            for name in drawn & {node.input[1], node.input[4]}:
                assert arrays[name].min() > 0.5 and arrays[name].max() < 1.5
                checked += 1
    assert checked > 50
