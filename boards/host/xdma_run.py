"""Runs a compiled program on a KCU1500, through the XDMA driver.

``python -m boards.host.xdma_run program/ inputs.npz outputs.npz``

inputs.npz holds the network's inputs as the overlay takes them: by name, int8, [image, H, W, C].
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from boards.channels import region_channels
from boards.host.batch import load_images, save_outputs
from boards.host.job import INPUT, OUTPUT, HostError, Job, Tensors, base_words, check_status
from boards.kcu1500 import CHANNEL_BYTES, WORD_BYTES, channel_address
from hw.bus.registers import REGISTERS, Control

DEVICE = Path("/dev/xdma0")
PAGE = 4096
TIMEOUT_S = 10.0
CHUNK = 1 << 26  # bytes of one transfer


class Card:
    """The driver's character devices: registers, and DRAM by DMA.

    Parameters
    ----------
    device : common part of their paths.
    """

    def __init__(self, device: Path = DEVICE) -> None:
        self._registers = os.open(f"{device}_user", os.O_RDWR)
        self._to_card = os.open(f"{device}_h2c_0", os.O_WRONLY)
        self._from_card = os.open(f"{device}_c2h_0", os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in (self._registers, self._to_card, self._from_card):
            os.close(file)

    def read_register(self, offset: int) -> int:
        """A 32-bit register."""
        return int.from_bytes(os.pread(self._registers, 4, offset), "little")

    def write_register(self, offset: int, value: int) -> None:
        """A 32-bit register."""
        os.pwrite(self._registers, value.to_bytes(4, "little"), offset)

    def write(self, address: int, data: bytes) -> None:
        """DRAM."""
        view = memoryview(data)
        while view:
            count = os.pwrite(self._to_card, view[:CHUNK], address)
            view, address = view[count:], address + count

    def read(self, address: int, size: int) -> bytes:
        """DRAM."""
        data = bytearray()
        while len(data) < size:
            wanted = min(CHUNK, size - len(data))
            part = os.pread(self._from_card, wanted, address + len(data))
            if not part:
                raise HostError(f"the card delivered {len(data)} of {size} bytes")
            data += part
        return bytes(data)

    def run(self, job: Job, images: Sequence[Tensors]) -> list[Tensors]:
        """The outputs of each image."""
        addresses = place(job.sizes, region_channels(job.weight_ports))
        for name, data in job.constant_regions().items():
            self.write(addresses[name], whole_words(data))
        for offset, word in base_words(addresses).items():
            self.write_register(offset, word)
        results: list[Tensors] = []
        for image in images:
            self.write(addresses[INPUT], job.input_region(image))
            self.write(addresses[OUTPUT], job.fill())
            self._execute()
            region = self.read(addresses[OUTPUT], job.sizes[OUTPUT])
            results.append(job.output_tensors(region))
        return results

    def _execute(self) -> None:
        control = REGISTERS["control"].offset
        self.write_register(control, 1 << Control.START)
        deadline = time.monotonic() + TIMEOUT_S
        while not self.read_register(control) >> Control.DONE & 1:
            if time.monotonic() > deadline:
                raise HostError(f"the run did not end within {TIMEOUT_S:g} s")
        names = ("status", "error", "error_tag")
        check_status({name: self.read_register(REGISTERS[name].offset) for name in names})


def place(sizes: Mapping[str, int], channels: Mapping[str, int]) -> dict[str, int]:
    """Addresses of the regions, in whole pages of their DDR4 channels.

    HostError if a channel is too small.
    """
    addresses: dict[str, int] = {}
    used = dict.fromkeys(channels.values(), 0)
    for name, size in sizes.items():
        channel = channels[name]
        addresses[name] = channel_address(channel) + used[channel]
        used[channel] += -(-size // PAGE) * PAGE
        if used[channel] > CHANNEL_BYTES:
            raise HostError(f"region {name!r} of {size:,} bytes finds no room in channel {channel}")
    return addresses


def whole_words(data: bytes) -> bytes:
    """The data with zeros up to a whole word: with ECC, the rest of one could not be read."""
    return data + bytes(-len(data) % WORD_BYTES)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="folder of program.bin, weights.bin, manifest.json")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--device", type=Path, default=DEVICE, help="path without _user and _h2c_0")
    options = parser.parse_args()
    job = Job.load(options.program)
    with Card(options.device) as card:
        save_outputs(options.outputs, card.run(job, load_images(options.inputs)))


if __name__ == "__main__":
    main()
