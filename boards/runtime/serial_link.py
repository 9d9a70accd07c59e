"""A board whose overlay stands alone, over a serial line: `hw.bridge` answers it."""

from __future__ import annotations

import errno
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

import serial
from serial.tools import list_ports

from boards.runtime.handshake import Handshake
from boards.runtime.link import HostError
from hw.bridge.protocol import (
    CRC_BYTES,
    HEAD,
    MAGIC,
    MOST_WORDS,
    WORD_BYTES,
    AddressSpace,
    Command,
    Fact,
    Verdict,
    place,
)

BAUD = 1_000_000
FTDI = (0x0403, 0x6015)  # vendor and product of the FT231X on a ULX3S
TIMEOUT_S = 2.0  # for an answer: the longest takes a hundredth of a second on the line
REST_S = 0.25  # longer than the bridge remembers a request that stopped in the middle
ALIGNMENT = 64  # of regions

_REASONS = {
    Verdict.DAMAGED: "the board received a damaged request: check the cable",
    Verdict.UNKNOWN: "the board does not know the request: build its bitstream anew",
    Verdict.REFUSED: "the board refused the access: it lies outside of its memory",
}


class SerialLine(Protocol):
    """What the link needs of a serial port."""

    def write(self, data: bytes) -> int | None:
        """Sends the bytes."""

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer after the time-out."""

    def close(self) -> None:
        """Ends the use of the port."""


class SerialLink(Handshake):
    """One request at a time, each answered.

    Parameters
    ----------
    line : an open port, at rest.
    name : of the port, for messages.
    """

    def __init__(self, line: SerialLine, name: str) -> None:
        self._line, self._name = line, name
        facts = self._read(place(AddressSpace.BRIDGE, 0), WORD_BYTES * len(Fact), first=True)
        words = [facts[4 * k : 4 * k + 4] for k in range(len(Fact))]
        self._facts = {fact: int.from_bytes(words[fact], "little") for fact in Fact}
        if self._facts[Fact.MAGIC] != MAGIC:
            raise HostError(f"{name}: what answers is not polymap's bridge: load its bitstream")

    @classmethod
    def open(cls, port: str | None = None) -> SerialLink:
        """The port of a name, or of the only board that is there."""
        name = _only_port() if port is None else port
        line = _opened(name)
        try:
            time.sleep(REST_S)
            line.reset_input_buffer()
            return cls(line, name)
        except BaseException:
            line.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._line.close()

    @property
    def clock_hz(self) -> int:
        """Of the overlay."""
        return self._facts[Fact.CLOCK_HZ]

    def place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Addresses of the regions, one after the other in the board's memory."""
        addresses: dict[str, int] = {}
        used = 0
        for name, size in sizes.items():
            addresses[name] = used
            used += -(-size // ALIGNMENT) * ALIGNMENT
        memory = self._facts[Fact.MEMORY_BYTES]
        if used > memory:
            raise HostError(
                f"the program needs {used:,} bytes, the board's memory has {memory:,}: "
                "choose a smaller model"
            )
        return addresses

    def read_register(self, offset: int) -> int:
        """A 32-bit register."""
        return int.from_bytes(self._read(place(AddressSpace.OVERLAY, offset), WORD_BYTES), "little")

    def write_register(self, offset: int, word: int) -> None:
        """A 32-bit register."""
        self._write(place(AddressSpace.OVERLAY, offset), word.to_bytes(WORD_BYTES, "little"))

    def write(self, address: int, data: bytes) -> None:
        """Memory, in whole words."""
        whole = data + bytes(-len(data) % WORD_BYTES)
        most = MOST_WORDS * WORD_BYTES
        for start in range(0, len(whole), most):
            self._write(place(AddressSpace.MEMORY, address + start), whole[start : start + most])

    def read(self, address: int, size: int) -> bytes:
        """Memory."""
        data = bytearray()
        while len(data) < size:
            count = min(-(-(size - len(data)) // WORD_BYTES), MOST_WORDS)
            at = place(AddressSpace.MEMORY, address + len(data))
            data += self._read(at, count * WORD_BYTES)
        return bytes(data[:size])

    def _write(self, address: int, data: bytes) -> None:
        self._exchange(Command.WRITE, address, len(data) // WORD_BYTES, data, 0)

    def _read(self, address: int, size: int, *, first: bool = False) -> bytes:
        words = size // WORD_BYTES
        return self._exchange(Command.READ, address, words, b"", size, first=first)

    def _exchange(
        self,
        command: Command,
        address: int,
        words: int,
        data: bytes,
        size: int,
        *,
        first: bool = False,
    ) -> bytes:
        """A request and the data of its answer; HostError if it is not done."""
        head = HEAD.const({"command": command, "count": words - 1, "address": address})
        request = head.as_bits().to_bytes(HEAD.size // 8, "little") + data
        with self._failing():
            self._line.write(request + zlib.crc32(request).to_bytes(CRC_BYTES, "little"))
            verdict = self._line.read(1)
            if not verdict:
                raise HostError(f"{self._name}: {_SILENT if first else 'the board fell silent'}")
            done = verdict[0] == Verdict.DONE
            rest = (size if done else 0) + CRC_BYTES
            answer = verdict + self._line.read(rest)
        if len(answer) <= rest:
            raise HostError(f"{self._name}: the board sent {len(answer)} of {rest + 1} bytes")
        if zlib.crc32(answer[:-CRC_BYTES]) != int.from_bytes(answer[-CRC_BYTES:], "little"):
            raise HostError(f"{self._name}: a damaged answer: check the cable")
        if not done:
            reasons = {int(known): text for known, text in _REASONS.items()}
            reason = reasons.get(verdict[0], f"the board answered {verdict[0]:#x}")
            raise HostError(f"{self._name}: {reason}")
        return answer[1:-CRC_BYTES]

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, serial.SerialException) as error:  # as when the cable is pulled
            raise HostError(f"{self._name}: the port failed: {error}") from error


_SILENT = "no answer: load the bitstream that `polymap build` wrote"


def _only_port() -> str:
    ports = [port.device for port in list_ports.comports() if (port.vid, port.pid) == FTDI]
    if not ports:
        raise HostError("no board found: connect it, or name its port with --device /dev/ttyUSB0")
    if len(ports) > 1:
        raise HostError(f"{len(ports)} boards found: name one with --device: {', '.join(ports)}")
    return str(ports[0])


def _opened(name: str) -> serial.Serial:
    try:
        return serial.Serial(name, BAUD, timeout=TIMEOUT_S, write_timeout=TIMEOUT_S, exclusive=True)
    except serial.SerialException as error:
        code = error.errno
        if code == errno.ENOENT:
            raise HostError(
                f"{name}: no such device: connect the board, or name its port with --device"
            ) from error
        if code == errno.EACCES:
            raise HostError(
                f"{name}: permission denied: run as a user who may use it, of group dialout on most"
                " systems"
            ) from error
        if code in (errno.EAGAIN, errno.EBUSY):
            raise HostError(f"{name}: another program uses it") from error
        raise HostError(f"{name}: cannot be opened: {error}") from error
