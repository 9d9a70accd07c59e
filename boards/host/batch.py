"""Images of a batch as .npz files: tensors by name, image axis first."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence

import numpy as np

from boards.host.job import HostError, Tensors


def load_images(path: str) -> list[Tensors]:
    """One mapping of tensors for each image."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1:
        raise HostError(f"{path}: inputs must have one number of images, not {sorted(counts)}")
    return [{name: array[k] for name, array in arrays.items()} for k in range(counts.pop())]


def save_outputs(path: str, outputs: Sequence[Tensors]) -> None:
    """The inverse, for outputs."""
    if not outputs:
        raise HostError("there are no images")
    with zipfile.ZipFile(path, "w") as archive:  # numpy.savez reserves some names
        for name in outputs[0]:
            batch = np.stack([image[name] for image in outputs])
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, batch, allow_pickle=False)
