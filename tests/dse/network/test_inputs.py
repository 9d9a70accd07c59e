"""Arrays by name: what is accepted, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.network import inputs
from dse.network.graph import NetworkError
from dse.network.ports import ModelPort
from dse.onnx.importer import load

PORTS = (
    ModelPort("image", np.dtype(np.float32), (1, 3, 4, 4)),
    ModelPort("mask", np.dtype(np.uint8), (1, 2)),
)
GOOD = {"image": np.zeros((5, 3, 4, 4), np.float32), "mask": np.ones((5, 2), np.uint8)}


def test_labels_may_come_along(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **GOOD, labels=np.arange(5))
    arrays = inputs.read_inputs(path, PORTS)
    assert list(arrays) == ["image", "mask"]
    images = list(inputs.images(arrays))
    assert len(images) == 5 and images[3]["image"].shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, "input 'mask' is missing"),
        ({"extra": np.zeros(5)}, "the model has no input 'extra'; it has image, mask"),
        ({"image": np.zeros((5, 3, 4, 4))}, "input 'image' must be float32, not float64"),
        ({"image": np.zeros((5, 3, 4, 5), np.float32)}, r"must be \(N, 3, 4, 4\), not"),
        ({"image": np.zeros((3, 4, 4), np.float32)}, r"must be \(N, 3, 4, 4\), not"),
        ({"image": np.full((5, 3, 4, 4), np.nan, np.float32)}, "not finite"),
        ({"mask": np.ones((4, 2), np.uint8)}, "same number of images"),
        ({name: array[:0] for name, array in GOOD.items()}, "at least one"),
    ],
)
def test_mistakes(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "x.npz"
    arrays = {name: array for name, array in (GOOD | change).items() if array is not None}
    np.savez(path, **arrays)
    with pytest.raises(NetworkError, match=message) as error:
        inputs.read_inputs(path, PORTS)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_archives(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"not an \.npz file"):
        inputs.read_inputs(path, PORTS)


def test_truncated_archives_and_single_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, image=np.random.default_rng(0).random((5, 3, 4, 4)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(NetworkError, match=r"not an \.npz file"):
        inputs.read_inputs(path, PORTS)
    np.save(tmp_path / "x.npy", GOOD["image"])
    with pytest.raises(NetworkError, match=r"not an \.npz file"):
        inputs.read_inputs(tmp_path / "x.npy", PORTS)
    with pytest.raises(NetworkError, match="cannot be read"):
        inputs.read_inputs(tmp_path / "missing.npz", PORTS)


def test_outputs_are_joined_along_the_batch() -> None:
    results = [{"y": np.full((1, 3), i), "label": np.array([i])} for i in range(4)]
    joined = inputs.join(results)
    assert joined["y"].shape == (4, 3) and joined["label"].tolist() == [0, 1, 2, 3]
    assert inputs.join([{"scalar": np.array(2.0)}] * 2)["scalar"].tolist() == [2.0, 2.0]


NAMES = (
    "file",
    "allow_pickle",
    "args",
    "arr_0",
    "x.npy",
    "a/b",
    "../up",
    "/etc/x",
    "漢字",
    " ",
    "n" * 5000,
)


def test_arrays_of_any_name_are_written(tmp_path: Path) -> None:
    arrays = {name: np.full((2, 3), i, np.int8) for i, name in enumerate(NAMES)}
    path = tmp_path / "y.npz"
    inputs.write_arrays(path, arrays)
    assert [file.name for file in tmp_path.iterdir()] == ["y.npz"]
    for read in (inputs.read_arrays(path), dict(np.load(path))):
        assert list(read) == list(NAMES)
        assert all(np.array_equal(read[name], array) for name, array in arrays.items())


def test_labels_may_be_an_input(builder, save) -> None:
    b = builder
    path = save(b.model(b.conv(b.input(3, 8, 8, name="labels"), "file", 4, 3, 3)))
    images = {"labels": np.ones((3, 3, 8, 8), np.float32)}
    imported = load(path, images)
    assert [list(image) for image in inputs.images(images)] == [["labels"]] * 3
    np.savez(path.with_suffix(".npz"), **images)
    read = inputs.read_inputs(path.with_suffix(".npz"), imported.host.inputs)
    assert read["labels"].shape == (3, 3, 8, 8)


def test_labels_beside_calibration_images_do_not_count(builder, save) -> None:
    b = builder
    path = save(b.model(b.conv(b.input(3, 8, 8), "y", 4, 3, 3)))
    images = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    alone = load(path, {"x": images}).network
    beside = load(path, {"labels": np.array(1), "x": images}).network
    assert alone.tensors == beside.tensors
