"""manifest.json: what the host, the test benches and the reports need to know of a program."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.network.blocks import space_to_depth
from dse.program.errors import ProgramError

MANIFEST_VERSION = 3


@dataclass(frozen=True)
class HostTensor:
    """An input or output: int8 HWC bytes at ``offset`` from the base INPUT or OUTPUT.

    ``shape``: of the image; ``block``: the pixels (y, x) that INPUT holds as the channels of one.
    """

    name: str
    offset: int
    shape: tuple[int, int, int]
    scale: float
    zero_point: int
    block: tuple[int, int] = (1, 1)

    def lay_out(self, image: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """The bytes of an input as INPUT holds them."""
        return space_to_depth(image, self.block, self.zero_point).reshape(-1)


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor can be observed.

    Pixel p starts at ``address + p * pitch``, from the start of the tensor memory (``memory``
    "tensor") or from the base INPUT or OUTPUT ("input", "output").  Complete once the instructions
    ``complete_after`` (numbers in the program, one per engine) have retired, which are the last
    ones with the layers' ``tags``; valid until the last layer of ``lifetime`` (first, last).
    """

    name: str
    shape: tuple[int, int, int]
    memory: str
    address: int
    pitch: int
    lifetime: tuple[int, int]
    complete_after: tuple[int, ...]
    tags: tuple[int, ...]


@dataclass(frozen=True)
class LayerEntry:
    """One layer: ``tag`` marks its instructions.

    ``kind``: conv, max or average.  ``output``: the tensor it writes.  ``fused``: the addition that
    is part of it, if any.  ``macs``: of the network's own convolutions, not of what passes pad them
    with.  ``cycles``: predicted, of its engine; ``weight_beats``: of the bus.
    """

    tag: int
    name: str
    kind: str
    output: str
    fused: str
    algorithm: str
    dataflow: str
    macs: int
    cycles: int
    weight_beats: int


@dataclass(frozen=True)
class Manifest:
    """A program's description; ``sha256``: of the model, the configuration and the mapping.

    weights.bin: ``parameter_bytes`` of parameter records, then a stripe for each weight port, all
    of the same length.
    """

    version: int
    network: str
    isa_version: int
    configuration_hash: int
    configuration: dict[str, int]
    sha256: dict[str, str]
    instructions: int
    parameter_bytes: int
    weights_bytes: int
    weights_crc32: int
    input_bytes: int
    output_bytes: int
    tensor_bytes_used: int
    inputs: tuple[HostTensor, ...]
    outputs: tuple[HostTensor, ...]
    layers: tuple[LayerEntry, ...]
    tensors: tuple[TensorPlace, ...]

    @property
    def weight_ports(self) -> int:
        """Stripes of the weights."""
        return int(self.configuration["weight_ports"])

    def tensor(self, name: str) -> TensorPlace:
        """The place of a tensor."""
        return next(place for place in self.tensors if place.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain data; the inverse of ``from_json``."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """Rebuild a manifest; ProgramError if it is none or of another version."""
        if not isinstance(data, dict) or data.get("version") != MANIFEST_VERSION:
            raise ProgramError(f"the manifest is not of version {MANIFEST_VERSION}")
        try:
            return _build(cls, data)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ProgramError(f"the manifest is damaged: {error}") from None


def _build(kind: Any, data: Any) -> Any:
    """A dataclass from plain data, by its type hints."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        if unknown := sorted(set(data) - set(hints)):
            raise ValueError(f"unknown keys {unknown}")
        return typing.cast(Any, kind)(
            **{name: _build(hints[name], value) for name, value in data.items()}
        )
    if typing.get_origin(kind) is tuple:
        return tuple(_build(typing.get_args(kind)[0], value) for value in data)
    return data
