"""A network's inputs and outputs as the regions of DRAM that hold them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from boards.runtime.link import Ended, HostError
from dse.assembly.manifest import Manifest
from dse.assembly.program import Program

Tensors = Mapping[str, npt.NDArray[np.int8]]
"""int8 arrays in HWC order, by name."""


def input_region(manifest: Manifest, tensors: Tensors) -> bytes:
    """The region "input" of a run; HostError if the tensors are not the program's inputs."""
    region = bytearray(manifest.input_bytes)
    for place in manifest.inputs:
        if place.name not in tensors:
            raise HostError(f"no input {place.name!r}; there are {', '.join(tensors) or 'none'}")
        values = tensors[place.name]
        if values.dtype != np.int8 or values.shape != place.shape:
            raise HostError(
                f"input {place.name!r} must be int8 of shape {place.shape}, "
                f"not {values.dtype} of {values.shape}"
            )
        data = place.lay_out(values).tobytes()
        region[place.offset : place.offset + len(data)] = data
    return bytes(region)


def output_tensors(run: Ended, program: Program) -> dict[str, npt.NDArray[np.int8]]:
    """The network's outputs of a run by name, HWC."""
    found = {}
    for place in program.manifest.outputs:
        size = int(np.prod(place.shape))
        data = np.frombuffer(run.output, np.int8, size, place.offset)
        found[place.name] = data.reshape(place.shape).copy()
    return found
