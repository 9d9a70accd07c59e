"""Arrays by name: what is accepted, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.network import inputs
from dse.network.graph import NetworkError
from dse.network.source import Port

PORTS = (
    Port("image", np.dtype(np.float32), (1, 3, 4, 4)),
    Port("mask", np.dtype(np.uint8), (1, 2)),
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
