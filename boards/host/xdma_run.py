"""Runs a compiled program on a KCU1500, through the XDMA driver.

``python -m boards.host.xdma_run program/ inputs.npz outputs.npz``

inputs.npz holds the network's inputs as the overlay takes them: by name, int8, [image, H, W, C].
"""

from __future__ import annotations

from dse.process import interrupt

if __name__ == "__main__":
    interrupt.watch("xdma_run")  # the rest takes a while to import

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from boards.channels import region_channels
from boards.host import command
from boards.host.image_batch import load_images, save_outputs
from boards.host.job import INPUT, OUTPUT, HostError, HostJob, Tensors, check_status
from boards.kcu1500 import CHANNEL_BYTES, WORD_BYTES, channel_address
from hw.isa.register_map import REGISTERS, Control, words

DEVICE = Path("/dev/xdma0")
PAGE = 4096
CONTROL = REGISTERS["control"].offset
TIMEOUT_S = 10.0
CHUNK = 1 << 26  # bytes of one transfer


class XdmaCard:
    """The driver's character devices: registers, and DRAM by DMA.

    Parameters
    ----------
    device : common part of their paths.
    """

    def __init__(self, device: Path = DEVICE) -> None:
        self._device = device
        with ExitStack() as opened:
            self._registers = _open(opened, f"{device}_user", os.O_RDWR)
            self._to_card = _open(opened, f"{device}_h2c_0", os.O_WRONLY)
            self._from_card = _open(opened, f"{device}_c2h_0", os.O_RDONLY)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._opened.close()

    def read_register(self, offset: int) -> int:
        """A 32-bit register."""
        with self._failing(f"register {offset:#x} cannot be read"):
            data = os.pread(self._registers, 4, offset)
        if len(data) != 4:
            raise HostError(f"{self._device}: register {offset:#x} gave {len(data)} of 4 bytes")
        return int.from_bytes(data, "little")

    def write_register(self, offset: int, value: int) -> None:
        """A 32-bit register."""
        with self._failing(f"register {offset:#x} cannot be written"):
            count = os.pwrite(self._registers, value.to_bytes(4, "little"), offset)
        if count != 4:
            raise HostError(f"{self._device}: register {offset:#x} took {count} of 4 bytes")

    def write(self, address: int, data: bytes) -> None:
        """DRAM."""
        view = memoryview(data)
        while view:
            with self._failing(f"{len(view)} bytes cannot be written"):
                count = os.pwrite(self._to_card, view[:CHUNK], address)
            if not count:
                written = len(data) - len(view)
                raise HostError(f"{self._device}: the card took {written} of {len(data)} bytes")
            view, address = view[count:], address + count

    def read(self, address: int, size: int) -> bytes:
        """DRAM."""
        data = bytearray()
        while len(data) < size:
            wanted = min(CHUNK, size - len(data))
            with self._failing(f"{wanted} bytes cannot be read"):
                part = os.pread(self._from_card, wanted, address + len(data))
            if not part:
                raise HostError(f"{self._device}: the card delivered {len(data)} of {size} bytes")
            data += part
        return bytes(data)

    def run(self, job: HostJob, images: Sequence[Tensors]) -> list[Tensors]:
        """The outputs of each image."""
        addresses = place(job.sizes, region_channels(job.weight_ports))
        self._make_idle()
        for name, data in job.constant_regions().items():
            self.write(addresses[name], whole_words(data))
        for offset, word in words(job.settings(addresses)).items():
            self.write_register(offset, word)
        results: list[Tensors] = []
        for image in images:
            self.write(addresses[INPUT], job.input_region(image))
            self.write(addresses[OUTPUT], job.fill())
            self._execute()
            region = self.read(addresses[OUTPUT], job.sizes[OUTPUT])
            results.append(job.output_tensors(region))
        return results

    def _control(self) -> int:
        """The control register; a card that has left the bus reads as ones, DONE among them."""
        value = self.read_register(CONTROL)
        if value == 0xFFFFFFFF:
            raise HostError(f"{self._device}: the card does not answer: reset it, or the machine")
        return value

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """The driver's errors name neither the device nor what was wanted of it."""
        try:
            yield
        except OSError as error:
            raise HostError(f"{self._device}: {what}: {error.strerror}") from error

    def _execute(self) -> None:
        self._make_idle()
        self.write_register(CONTROL, 1 << Control.START)
        if not self._await(Control.DONE):
            self.write_register(CONTROL, 1 << Control.ABORT)
            raise HostError(f"the run did not end within {TIMEOUT_S:g} s")
        names = ("status", "error", "error_tag")
        check_status({name: self.read_register(REGISTERS[name].offset) for name in names})

    def _make_idle(self) -> None:
        """Ends what a host before this one may have left: a run, or an end that nobody read."""
        if self._await(Control.IDLE):
            return
        self.write_register(CONTROL, 1 << Control.ABORT)
        if not self._await(Control.IDLE):
            raise HostError(
                "the overlay is busy and does not end its run: reset the card or load its bitstream"
            )

    def _await(self, bit: Control) -> bool:
        """Whether a bit of the control register shows in time; reading it clears done."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self._control() >> bit & 1:
            if time.monotonic() > deadline:
                return False
        return True


def _open(opened: ExitStack, path: str, flags: int) -> int:
    """A file of the driver, closed with all others."""
    try:
        file = os.open(path, flags)
    except FileNotFoundError as error:
        raise HostError(
            f"{path}: no such device: load the driver xdma, or name the card with --device"
        ) from error
    except PermissionError as error:
        raise HostError(f"{path}: permission denied: run as a user who may use it") from error
    except OSError as error:
        raise HostError(f"{path}: cannot be opened: {error.strerror}") from error
    opened.callback(os.close, file)
    return file


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
    job = HostJob.load(options.program)
    images = load_images(options.inputs, job.program.manifest.inputs)
    with XdmaCard(options.device) as card:
        save_outputs(options.outputs, card.run(job, images))


if __name__ == "__main__":
    sys.exit(command.run(main, "xdma_run"))
