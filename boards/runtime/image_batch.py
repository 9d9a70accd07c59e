"""Images of a batch as .npz files: tensors by name, image axis first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from boards.runtime.regions import Tensors
from dse.assembly.manifest import HostTensor
from dse.files.arrays import ArraysError, read_npz


def load_images(path: str | Path, inputs: Sequence[HostTensor]) -> list[Tensors]:
    """One mapping of tensors for each image; ArraysError if they are not those of the program."""
    places = {place.name: place for place in inputs}

    def accept(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
        if name not in places:
            known = ", ".join(map(repr, places))
            raise ArraysError(f"the program has no input {name!r}; it has {known}")
        wanted = places[name].shape
        if dtype != np.int8 or shape[1:] != wanted:
            raise ArraysError(
                f"input {name!r} must be int8 of shape (images, {', '.join(map(str, wanted))}), "
                f"not {dtype} of {shape}"
            )
        return True

    try:
        arrays = read_npz(path, accept)
        if missing := [name for name in places if name not in arrays]:
            raise ArraysError(f"input {missing[0]!r} is missing")
        counts = sorted({len(array) for array in arrays.values()})
        if len(counts) != 1 or counts[0] == 0:
            raise ArraysError(f"inputs must have one number of images, at least 1, not {counts}")
    except ArraysError as error:
        raise ArraysError(f"{path}: {error}") from None
    return [{name: array[k] for name, array in arrays.items()} for k in range(counts[0])]
