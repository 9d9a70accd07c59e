"""A model's answers by golden and functional model, beside the model's own meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

import polymap
from dse.network.inputs import images, join
from dse.onnx.importer import Imported
from sim import functional, golden
from tests.meaning import evaluate

Batch = dict[str, npt.NDArray]


def answers(imported: Imported, batch: Batch) -> Batch:
    """The golden model's; the program for a small overlay must give the same on the first image."""
    results, first = [], True
    for image in images(batch):
        before = imported.host.before(image)
        tensors = golden.run(imported.network, before)
        if first:
            config = polymap.fit(imported, polymap.configuration(4, 6, 2))
            run = functional.run(polymap.compile(imported, config), config, before)
            for name, tensor in run.outputs.items():
                np.testing.assert_array_equal(tensor, tensors[name], err_msg=name)
        results.append(imported.host.after(image, tensors))
        first = False
    return join(results)


def off(model: onnx.ModelProto, batch: Batch, folder: Path, calibrated: bool = False) -> float:
    """How far the answers are from the model's meaning, by the span of each output at most."""
    path = folder / "model.onnx"
    onnx.save(model, path)
    imported = polymap.load(path, batch if calibrated else None)
    right = evaluate(model, batch)
    found = answers(imported, batch)
    assert list(found) == list(right)
    worst = 0.0
    for name, expected in right.items():
        assert found[name].shape == expected.shape and found[name].dtype == expected.dtype
        span = float(expected.max()) - float(expected.min())
        difference = np.abs(found[name].astype(float) - expected.astype(float)).max()
        worst = max(worst, difference / (span or 1.0))
    return worst
