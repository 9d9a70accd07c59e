"""Arrays in and out of a model: validated against its inputs, split into images and joined."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from dse.network.graph import NetworkError
from dse.network.source import Port

Arrays = Mapping[str, npt.NDArray]

LABELS = "labels"
"""An array of this name may accompany the images; it is not an input, unless the model has one."""


def read_arrays(path: str | Path) -> dict[str, npt.NDArray]:
    """The arrays of an ``.npz`` file."""
    try:
        with Path(path).open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, zlib.error, zipfile.BadZipFile):
        raise NetworkError(f"{path}: not an .npz file of arrays, or a truncated one") from None


def read_inputs(path: str | Path, ports: Sequence[Port]) -> dict[str, npt.NDArray]:
    """The inputs of a model from an ``.npz`` file: by ONNX input name, batch axis first."""
    return validate(read_arrays(path), ports, str(path))


def write_arrays(target: Path | IO[bytes], arrays: Arrays) -> None:
    """An ``.npz`` file that ``numpy.load`` reads, of any names; ``numpy.savez`` reserves some."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def validate(arrays: Arrays, ports: Sequence[Port], where: str) -> dict[str, npt.NDArray]:
    """The inputs among the arrays.

    Names, types and shapes must be the model's, and all batches of one length.
    """
    expected = {port.name: port for port in ports}
    for name in arrays:
        if name not in expected and name != LABELS:
            raise NetworkError(
                f"{where}: the model has no input {name!r}; it has {', '.join(expected)}"
            )
    for name, port in expected.items():
        if name not in arrays:
            raise NetworkError(f"{where}: input {name!r} is missing")
        array = arrays[name]
        if array.dtype != port.dtype:
            raise NetworkError(f"{where}: input {name!r} must be {port.dtype}, not {array.dtype}")
        if array.ndim != len(port.shape) or array.shape[1:] != port.shape[1:]:
            shape = ", ".join(("N", *map(str, port.shape[1:])))
            raise NetworkError(f"{where}: input {name!r} must be ({shape}), not {array.shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NetworkError(f"{where}: input {name!r} holds values that are not finite")
    lengths = {len(arrays[name]) for name in expected}
    if len(lengths) != 1 or 0 in lengths:
        raise NetworkError(f"{where}: all inputs must hold the same number of images, at least one")
    return {name: arrays[name] for name in expected}


def images(arrays: Arrays) -> Iterator[dict[str, npt.NDArray]]:
    """The images of a validated batch one after the other, each with a batch axis of one."""
    for index in range(len(next(iter(arrays.values())))):
        yield {name: array[index : index + 1] for name, array in arrays.items()}


def join(outputs: Sequence[Arrays]) -> dict[str, npt.NDArray]:
    """The outputs of single images as one batch by output name."""
    if not outputs:
        return {}
    return {
        name: np.concatenate([np.atleast_1d(image[name]) for image in outputs])
        for name in outputs[0]
    }
