"""manifest.json: what the host, the test benches and the reports need to know of a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from dse.assembly.program_error import ProgramError
from dse.files.documents import DocumentError, build, versioned
from dse.network.batches import apart
from dse.network.blocks import space_to_depth
from hw.isa.config import ConfigError, OverlayConfig

MANIFEST_VERSION = 5

Count = Annotated[int, Ge(0)]
Length = Annotated[int, Gt(0)]
Shape = tuple[Length, Length, Length]
Memory = Literal["tensor", "input", "output"]


@dataclass(frozen=True)
class HostTensor:
    """An input or output: int8 HWC bytes at ``offset`` from the base INPUT or OUTPUT.

    ``shape``: of the image; ``block``: the pixels (y, x) that INPUT holds as the channels of one.
    """

    name: str
    offset: Count
    shape: Shape
    scale: float
    zero_point: int
    block: tuple[Length, Length] = (1, 1)

    @property
    def size(self) -> int:
        """Bytes of it in INPUT or OUTPUT, where blocks may reach beyond the image."""
        (height, width, channels), (rows, columns) = self.shape, self.block
        return -(-height // rows) * -(-width // columns) * rows * columns * channels

    def lay_out(self, image: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """The bytes of an input as INPUT holds them."""
        return space_to_depth(image, self.block, self.zero_point).reshape(-1)


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor can be observed.

    Pixels start ``pitch`` bytes apart from ``address`` on, counted from the start of the tensor
    memory (``memory`` "tensor") or from the base INPUT or OUTPUT ("input", "output").  ``gap``:
    pixels between the rows, which are none of the tensor's.  Complete once the instructions
    ``complete_after`` (numbers in the program, one per engine) have retired, which are the last
    ones with the layers' ``tags``; valid until the last layer of ``lifetime`` (first, last).
    """

    name: str
    shape: Shape
    memory: Memory
    address: Count
    pitch: Count
    lifetime: tuple[int, int]
    complete_after: tuple[Count, ...]
    tags: tuple[Count, ...]
    gap: Count = 0

    @property
    def pixels(self) -> int:
        """Pixels from the first one to the last, with those between the rows."""
        height, width, _ = self.shape
        return height * (width + self.gap) - self.gap

    @property
    def own(self) -> npt.NDArray[np.int64]:
        """Which of these are the tensor's, [height * width]."""
        height, width, _ = self.shape
        return (np.arange(height)[:, None] * (width + self.gap) + np.arange(width)).reshape(-1)

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Where each byte is, [height * width, channels]."""
        return self.address + self.own[:, None] * self.pitch + np.arange(self.shape[2])


LayerKind = Literal["conv", "depthwise", "max", "average", "product", "combine"]


@dataclass(frozen=True)
class LayerEntry:
    """One layer: ``tag`` marks its instructions.

    ``output``: the tensor it writes.  ``fused``: the addition that
    is part of it, if any.  ``macs``: of the network's own convolutions, not of what passes pad them
    with.  ``cycles``: predicted, of its engine; ``weight_beats``: of the bus.  ``tile``: Winograd,
    edge of an output tile, or "4x1" of one dimension; manifests of earlier tools have it in the
    algorithm's name.
    """

    tag: Count
    name: str
    kind: LayerKind
    output: str
    fused: str
    algorithm: str
    dataflow: str
    macs: Count
    cycles: Count
    weight_beats: Count
    tile: Count | str | None = None


@dataclass(frozen=True)
class Manifest:
    """A program's description; ``sha256``: of the model, the configuration and the mapping.

    ``cycle_limit``: what hosts allow a run by default, see ``dse.compile.limit``.  ``images``: that
    a run computes; names are then those of ``dse.network.batches``.

    weights.bin: ``parameter_bytes`` of parameter records, then a stripe for each weight port, all
    of the same length.
    """

    version: int
    network: str
    isa_version: int
    configuration_hash: int
    configuration: dict[str, int | str]
    sha256: dict[str, str]
    instructions: Count
    parameter_bytes: Count
    weights_bytes: Count
    weights_crc32: Count
    input_bytes: Count
    output_bytes: Count
    cycle_limit: Count
    tensor_bytes_used: Count
    inputs: tuple[HostTensor, ...]
    outputs: tuple[HostTensor, ...]
    layers: tuple[LayerEntry, ...]
    tensors: tuple[TensorPlace, ...]
    images: Annotated[int, Ge(1)] = 1

    @cached_property
    def overlay(self) -> OverlayConfig:
        """What the program is for."""
        return OverlayConfig.from_json(self.configuration)

    @property
    def entries(self) -> tuple[HostTensor, ...]:
        """The inputs of the first image, by the network's own names."""
        first = apart({place.name: place for place in self.inputs}, self.images)[0]
        return tuple(dataclasses.replace(place, name=name) for name, place in first.items())

    @property
    def weight_ports(self) -> int:
        """Stripes of the weights."""
        return self.overlay.weight_ports

    def tensor(self, name: str) -> TensorPlace:
        """The place of a tensor."""
        return next(place for place in self.tensors if place.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain data; the inverse of ``from_json``."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """Rebuild a manifest; ProgramError if it is none or contradicts itself."""
        try:
            found = build(cls, versioned(data, "the manifest", MANIFEST_VERSION))
        except DocumentError as error:
            raise ProgramError(f"the manifest is damaged: {error}") from None
        for fault in found._faults():
            raise ProgramError(f"the manifest is damaged: {fault}")
        return found

    def _faults(self) -> Iterator[str]:
        try:
            overlay = self.overlay
        except ConfigError as error:
            yield f"configuration: {error}"
            return
        if overlay.hash != self.configuration_hash:
            yield "configuration_hash is not that of the configuration"
        yield from _outside("inputs", self.inputs, self.input_bytes)
        yield from _outside("outputs", self.outputs, self.output_bytes)
        if self.parameter_bytes > self.weights_bytes:
            yield f"parameter_bytes must be at most {self.weights_bytes}"
        for place in self.tensors:
            if any(number >= self.instructions for number in place.complete_after):
                yield f"tensor {place.name!r} waits for an instruction that there is not"


def _outside(what: str, tensors: Sequence[HostTensor], room: int) -> Iterator[str]:
    """Tensors that do not lie in their region."""
    for tensor in tensors:
        end = tensor.offset + tensor.size
        if end > room:
            yield f"{what}: {tensor.name!r} ends at byte {end:,} of {room:,}"
