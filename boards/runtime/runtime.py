"""The host's duties, once: the only place that says what happens before and after a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from boards.runtime.link import Ended, HostError, Link
from boards.runtime.regions import Tensors, input_region, output_tensors
from boards.runtime.setup import FILL, INPUT, OUTPUT, Setup
from dse.assembly.program import Program
from dse.network.batches import apart, groups, together
from hw.isa import Error
from hw.isa.register_map import Status, words

T = TypeVar("T")
JUDGED_BYTES = 8  # shorter outputs may be equal to the filling by chance


class Runtime(Generic[T]):
    """Runs one program over a link.

    ``load`` comes first, then ``execute`` for each image.

    Parameters
    ----------
    link : to a card or a simulation.
    setup : the program, see `Setup.of`.
    """

    def __init__(self, link: Link[T], setup: Setup) -> None:
        self._link, self._setup = link, setup
        self._addresses = link.place(setup.sizes)

    def load(self) -> None:
        """Program, weights and registers; HostError if the overlay is another one."""
        self._require_overlay()
        self._link.make_idle()
        for name, data in self._setup.regions.items():
            self._link.write(self._addresses[name], data)
        self.set_registers()

    def set_registers(self) -> None:
        """Where the regions are, how large, and the limits of a run."""
        for offset, word in words(self._setup.settings(self._addresses)).items():
            self._link.write_register(offset, word)

    def write_input(self, region: bytes) -> None:
        """The contents of the region "input": an image."""
        self._link.write(self._addresses[INPUT], region)

    def execute(self, region: bytes) -> T:
        """A run on an image, given as the contents of the region "input"."""
        setup, output = self._setup, self._addresses[OUTPUT]
        self.write_input(region)
        if setup.fill is not None:
            self._link.write(output, bytes([setup.fill]) * setup.output_bytes)
        return self._link.run(output, setup.output_bytes)

    def _require_overlay(self) -> None:
        wanted = self._setup.identity
        for name, found in self._link.read_registers(tuple(wanted)).items():
            if found != wanted[name]:
                raise HostError(
                    f"the program is for {name.replace('_', ' ')} {wanted[name]:#x}, the overlay "
                    f"on the card has {found:#x}: compile the model for it, or load its bitstream"
                )


@dataclass(frozen=True, kw_only=True)
class ImageRun:
    """One image on a card.

    Members
    -------
    outputs : the program's, by name.
    cycles : of its run by the overlay's own count, or None if the link cannot read it.
    seconds : for the host, from the image to its outputs; of several in a run its share.
    """

    outputs: dict[str, np.ndarray]
    cycles: int | None
    seconds: float


def run_images(
    link: Link[Ended], program: Program, images: Sequence[Tensors]
) -> Iterator[ImageRun]:
    """Each image on a card, as many in a run as the program takes; HostError if one fails."""
    runtime = Runtime(link, Setup.of(program))
    runtime.load()
    batch = program.manifest.images
    for group in groups(images, batch):
        begun = time.perf_counter()
        ended = runtime.execute(input_region(program.manifest, together(group, batch)))
        outputs = output_tensors(ended, program)
        require_success(ended.registers, outputs)
        seconds = time.perf_counter() - begun
        for own, _ in zip(apart(outputs, batch), group, strict=False):
            yield ImageRun(
                outputs=own, cycles=ended.registers.get("cycles"), seconds=seconds / len(group)
            )


def fault(registers: Mapping[str, int]) -> tuple[str, int] | None:
    """The name of the error that the last run ended with, and the tag of its instruction."""
    if not registers["status"] >> Status.ERROR & 1:
        return None
    names = {int(error): error.name for error in Error}
    return names.get(registers["error"], str(registers["error"])), registers["error_tag"]


def require_success(registers: Mapping[str, int], outputs: Tensors) -> None:
    """HostError if a run ended with an error.

    Without registers, one is taken for that if an output holds nothing but the filling.
    """
    if registers:
        if found := fault(registers):
            raise HostError(f"error {found[0]} in an instruction of layer {found[1]}")
        return
    for name, tensor in outputs.items():
        if tensor.size >= JUDGED_BYTES and np.all(tensor == FILL):
            raise HostError(f"output {name!r} was not written: the run ended with an error")
