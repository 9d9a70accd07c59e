"""A board without a shell, behind the XDMA driver: registers and DRAM as files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from boards.block_design import CHANNEL_BYTES, CHANNELS, WORD_BYTES, channel_address
from boards.channels import region_channels
from boards.runtime.handshake import Handshake
from boards.runtime.link import HostError
from hw.isa.register_map import WEIGHT_BASES

DEVICE = Path("/dev/xdma0")
PAGE = 4096
CHUNK = 1 << 26  # bytes of one transfer
GONE = b"\xff" * 4  # what a card that has left the bus reads as; no register of ours holds it


class XdmaLink(Handshake):
    """The driver's character devices.

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

    def place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Addresses of the regions, in whole pages of the DDR4 channels of their masters."""
        ports = sum(name in sizes for name in WEIGHT_BASES)
        return place(sizes, region_channels(ports, CHANNELS))

    def read_register(self, offset: int) -> int:
        """A 32-bit register."""
        with self._failing(f"register {offset:#x} cannot be read"):
            data = os.pread(self._registers, 4, offset)
        if len(data) != 4:
            raise HostError(f"{self._device}: register {offset:#x} gave {len(data)} of 4 bytes")
        if data == GONE:
            raise HostError(f"{self._device}: the card does not answer: reset it, or the machine")
        return int.from_bytes(data, "little")

    def write_register(self, offset: int, word: int) -> None:
        """A 32-bit register."""
        with self._failing(f"register {offset:#x} cannot be written"):
            count = os.pwrite(self._registers, word.to_bytes(4, "little"), offset)
        if count != 4:
            raise HostError(f"{self._device}: register {offset:#x} took {count} of 4 bytes")

    def write(self, address: int, data: bytes) -> None:
        """DRAM, in whole words: with ECC, the rest of one could not be read."""
        data = whole_words(data)
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

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """The driver's errors name neither the device nor what was wanted of it."""
        try:
            yield
        except OSError as error:
            raise HostError(f"{self._device}: {what}: {error.strerror}") from error


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
    """Addresses of the regions, in whole pages of their channels; HostError if one is full."""
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
    """The data with zeros up to a whole word of a channel."""
    return data + bytes(-len(data) % WORD_BYTES)
