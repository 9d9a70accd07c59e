"""Several images in one run of the RTL: as foretold to the cycle, each as it is alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from dse.explore.defaults import configuration
from dse.explore.memories import fit
from dse.network.inputs import read_arrays
from dse.onnx.importer import Imported, load
from hw.isa.config import OverlayConfig
from sim.simulation import Arrays, simulate
from tests.dse.network.conftest import Builder
from tests.rtl.test_whole_networks import DIGITS, SMALL, mixed

pytestmark = pytest.mark.rtl


def check(model: Imported, images: Arrays, config: OverlayConfig, batch: int) -> None:
    config = fit(model, config, batch=batch)
    mapping = mixed(model.network, config)
    alone, found = (
        simulate(model, images, config, mapping=mapping, batch=size) for size in (1, batch)
    )
    assert found.mismatches == alone.mismatches == 0
    assert set(found.compared_tensors) == set(alone.compared_tensors)
    assert found.cycles == found.predicted_cycles < batch * alone.cycles
    assert found.cycles_per_image == (found.cycles,) * found.images
    for name, values in alone.outputs.items():
        np.testing.assert_array_equal(found.outputs[name], values)


def digits(images: int) -> tuple[Imported, Arrays]:
    model = load(DIGITS / "digits.onnx", read_arrays(DIGITS / "calibration.npz"))
    arrays = read_arrays(DIGITS / "test_images.npz")
    return model, {port.name: arrays[port.name][:images] for port in model.host.inputs}


def inception(folder: Path, images: int) -> tuple[Imported, Arrays]:
    """GoogLeNet's beginning, and two modules of four branches, with few pixels and channels."""
    b = Builder(6)

    def conv(x: str, name: str, cout: int, cin: int, kernel: int) -> str:
        return b.relu(b.conv(x, name, cout, cin, kernel, pads=[kernel // 2] * 4))

    x = b.relu(b.conv(b.input(3, 32, 32), "stem", 16, 3, 7, strides=[2, 2], pads=[3] * 4))
    x = b.node("MaxPool", [x], "pool1", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    channels = 16
    for name in ("a", "b"):
        branches = [
            conv(x, f"{name}.1x1", 8, channels, 1),
            conv(conv(x, f"{name}.3x3r", 6, channels, 1), f"{name}.3x3", 12, 6, 3),
            conv(conv(x, f"{name}.5x5r", 4, channels, 1), f"{name}.5x5", 6, 4, 5),
        ]
        pooled = b.node("MaxPool", [x], f"{name}.pool", kernel_shape=[3, 3], pads=[1] * 4)
        branches.append(conv(pooled, f"{name}.proj", 6, channels, 1))
        x, channels = b.node("Concat", branches, f"{name}.out", axis=1), 32
    x = b.node("GlobalAveragePool", [x], "mean")
    x = b.node("Gemm", [b.node("Flatten", [x], "flat"), b.weight("fc", 32, 10)], "logits")
    onnx.save(b.model(x), folder / "inception.onnx")
    drawn = {"x": b.rng.normal(size=(images, 3, 32, 32)).astype(np.float32)}
    return load(folder / "inception.onnx", drawn), drawn


@pytest.mark.slow
def test_digits_in_pairs_with_one_left_over() -> None:
    check(*digits(3), SMALL, 2)


@pytest.mark.slow
@pytest.mark.parametrize("config", [configuration(4, 4, 2), SMALL])
def test_a_small_googlenet(tmp_path: Path, config: OverlayConfig) -> None:
    check(*inception(tmp_path, 3), config, 3)
