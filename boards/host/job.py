"""A compiled program and its tensors as the regions of DRAM that a host fills and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dse.assembly.manifest import HostTensor
from dse.assembly.program import Program
from hw.isa import Base, Error
from hw.isa.errors import PolymapError
from hw.isa.register_map import Status, run_settings

INPUT, OUTPUT = Base.INPUT.name.lower(), Base.OUTPUT.name.lower()
WATCHDOG_CYCLES = 1 << 24
FILL = 0x55  # what the host leaves in the output region before a run

Tensors = Mapping[str, npt.NDArray[np.int8]]


class HostError(PolymapError, RuntimeError):
    """A run that cannot start, or that the overlay ended with an error."""


@dataclass(frozen=True)
class HostJob:
    """A program's regions, by the registers of their base addresses.

    "program" points at the first instruction: the file's header stays on the host.
    """

    program: Program

    @classmethod
    def load(cls, folder: str | Path) -> HostJob:
        """Reads program.bin, weights.bin and manifest.json, and checks them."""
        return cls(Program.load(Path(folder)))

    @property
    def weight_ports(self) -> int:
        """Stripes of the weights."""
        return self.program.manifest.weight_ports

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each region."""
        manifest = self.program.manifest
        return {
            **{name: len(data) for name, data in self.constant_regions().items()},
            INPUT: manifest.input_bytes,
            OUTPUT: manifest.output_bytes,
        }

    def constant_regions(self) -> dict[str, bytes]:
        """What is written once for any number of runs."""
        return self.program.regions

    def settings(self, addresses: Mapping[str, int]) -> dict[str, int]:
        """What the host writes before a run, by register: regions, their bounds, the limits."""
        bounds = run_settings(addresses, self.sizes, self.program.manifest.cycle_limit)
        return {**bounds, "watchdog": WATCHDOG_CYCLES}

    def input_region(self, tensors: Tensors) -> bytes:
        """The region "input" of one image; int8 tensors in HWC order by name."""
        region = np.zeros(self.program.manifest.input_bytes, np.int8)
        for place in self.program.manifest.inputs:
            if place.name not in tensors:
                raise HostError(
                    f"no input {place.name!r}; there are {', '.join(tensors) or 'none'}"
                )
            values = tensors[place.name]
            if values.dtype != np.int8 or values.shape != place.shape:
                raise HostError(
                    f"input {place.name!r} must be int8 of shape {place.shape}, "
                    f"not {values.dtype} of {values.shape}"
                )
            data = place.lay_out(values)
            region[place.offset : place.offset + data.size] = data
        return region.tobytes()

    def fill(self) -> bytes:
        """The region "output" before a run."""
        return bytes([FILL]) * self.program.manifest.output_bytes

    def output_tensors(self, region: bytes) -> dict[str, npt.NDArray[np.int8]]:
        """The outputs in the region "output" by name, HWC."""
        values = np.frombuffer(region, np.int8)
        return {place.name: _slice(values, place) for place in self.program.manifest.outputs}


def check_written(outputs: Tensors) -> None:
    """HostError if an output holds nothing but `FILL`: for hosts that cannot read registers.

    Outputs of a few bytes may hold it by chance and are not judged.
    """
    for name, tensor in outputs.items():
        if tensor.size >= 8 and np.all(tensor == FILL):
            raise HostError(f"output {name!r} was not written: the run ended with an error")


def check_status(registers: Mapping[str, int]) -> None:
    """HostError if the registers tell of an error."""
    if registers["status"] >> Status.ERROR & 1:
        code, tag = registers["error"], registers["error_tag"]
        names = {int(error): error.name for error in Error}
        raise HostError(f"error {names.get(code, code)} in an instruction of layer {tag}")


def _slice(values: npt.NDArray[np.int8], place: HostTensor) -> npt.NDArray[np.int8]:
    size = int(np.prod(place.shape))
    return values[place.offset : place.offset + size].reshape(place.shape).copy()
