"""Arrays in and out of a model: validated against its inputs, split into images and joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dse.files.arrays import Accept, ArraysError, read_npz
from dse.files.arrays import write_arrays as write_arrays
from dse.network.graph import NetworkError
from dse.network.ports import ModelPort

Arrays = Mapping[str, npt.NDArray]

LABELS = "labels"
"""An array of this name may accompany the images; it is not an input, unless the model has one."""


def read_arrays(path: str | Path) -> dict[str, npt.NDArray]:
    """The arrays of an ``.npz`` file."""
    return _read(path)


def read_inputs(path: str | Path, ports: Sequence[ModelPort]) -> dict[str, npt.NDArray]:
    """The inputs of a model from an ``.npz`` file: by ONNX input name, batch axis first."""
    expected = {port.name: port for port in ports}

    def accept(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
        if name == LABELS and name not in expected:
            return False
        _check(name, dtype, shape, expected, str(path))
        return True

    return validate(_read(path, accept), ports, str(path))


def _read(path: str | Path, accept: Accept | None = None) -> dict[str, npt.NDArray]:
    try:
        return read_npz(path, accept)
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ArraysError as error:
        raise NetworkError(f"{path}: {error}") from None


def validate(arrays: Arrays, ports: Sequence[ModelPort], where: str) -> dict[str, npt.NDArray]:
    """The inputs among the arrays.

    Names, types and shapes must be the model's, and all batches of one length.
    """
    expected = {port.name: port for port in ports}
    for name, array in arrays.items():
        if name in expected or name != LABELS:
            _check(name, array.dtype, array.shape, expected, where)
    for name in expected:
        if name not in arrays:
            raise NetworkError(f"{where}: input {name!r} is missing")
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise NetworkError(f"{where}: input {name!r} holds values that are not finite")
    lengths = {len(arrays[name]) for name in expected}
    if len(lengths) != 1 or 0 in lengths:
        raise NetworkError(f"{where}: all inputs must hold the same number of images, at least one")
    return {name: arrays[name] for name in expected}


def _check(
    name: str,
    dtype: np.dtype,
    shape: tuple[int, ...],
    expected: Mapping[str, ModelPort],
    where: str,
) -> None:
    """The name, type and shape of one array."""
    port = expected.get(name)
    if port is None:
        raise NetworkError(
            f"{where}: the model has no input {name!r}; it has {', '.join(expected)}"
        )
    if dtype != port.dtype:
        raise NetworkError(f"{where}: input {name!r} must be {port.dtype}, not {dtype}")
    if len(shape) != len(port.shape) or shape[1:] != port.shape[1:]:
        wanted = ", ".join(("N", *map(str, port.shape[1:])))
        raise NetworkError(f"{where}: input {name!r} must be ({wanted}), not {shape}")


def images(arrays: Arrays) -> Iterator[dict[str, npt.NDArray]]:
    """The images of a validated batch one after the other, each with a batch axis of one."""
    for index in range(len(next(iter(arrays.values())))):
        yield {name: array[index : index + 1] for name, array in arrays.items()}


def join(outputs: Sequence[Arrays]) -> dict[str, npt.NDArray]:
    """The outputs of single images as one batch by output name.

    A read-only array is a constant of the model, the same for all images.
    """
    if not outputs:
        return {}
    return {
        name: first
        if not first.flags.writeable
        else np.concatenate([np.atleast_1d(image[name]) for image in outputs])
        for name, first in outputs[0].items()
    }
