"""The link to a board that stands alone: every way in which line, port or board can fail."""

from __future__ import annotations

import errno
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
import serial

from boards.runtime import handshake, serial_link
from boards.runtime.link import HostError
from boards.runtime.runtime import run_images
from boards.runtime.serial_link import SerialLink
from boards.runtime.setup import Setup
from dse.assembly.program import Program
from hw.isa import Error
from hw.isa.register_map import REGISTERS, Control
from tests.boards.host_stand_ins import CYCLES, answer, check, registers

MEMORY_BYTES = 1 << 16
CONTROL = REGISTERS["control"].offset


class Board:
    """A serial port with a board behind it, by the protocol as it is written down.

    ``damage`` changes an answer; ``error``, ``hangs``: of the overlay's runs.
    """

    def __init__(self, program: Program, *, error: int = 0, hangs: bool = False) -> None:
        self.program, self.error, self.hangs = program, error, hangs
        self.memory = bytearray(MEMORY_BYTES)
        self.registers = registers(program, 0)
        self.control, self.aborts = 1 << Control.IDLE, 0
        self.answer, self.magic, self.closed = b"", b"PMB1", False
        self.requests = 0

    def write(self, data: bytes) -> int:
        assert self.answer == b"", "the host does not wait"
        self.requests += 1
        assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
        command, words, address = data[0], data[1] + 1, int.from_bytes(data[2:6], "little")
        assert len(data) == 10 + (4 * words if command == ord("W") else 0)
        self.answer = self.damage(seal(self.act(command, address, words, data[6:-4])))
        return len(data)

    def damage(self, answer: bytes) -> bytes:
        return answer

    def act(self, command: int, address: int, words: int, data: bytes) -> bytes:
        space, offset = address >> 30, address & (1 << 30) - 1
        if space == 3:
            facts = self.magic + MEMORY_BYTES.to_bytes(4, "little")
            return b"\0" + (facts + (25_000_000).to_bytes(4, "little"))[offset : offset + 4 * words]
        if space == 0:
            if offset + 4 * words > MEMORY_BYTES:
                return b"\3"
            if command == ord("W"):
                self.memory[offset : offset + len(data)] = data
                return b"\0"
            return b"\0" + bytes(self.memory[offset : offset + 4 * words])
        assert space == 2 and words == 1
        if command == ord("W"):
            self.set(offset, int.from_bytes(data, "little"))
            return b"\0"
        return b"\0" + self.get(offset).to_bytes(4, "little")

    def get(self, offset: int) -> int:
        if offset != CONTROL:
            return self.registers.get(offset, 0)
        value, self.control = self.control, self.control & ~(1 << Control.DONE)
        return value

    def set(self, offset: int, value: int) -> None:
        self.registers[offset] = value
        if offset == CONTROL and value == 1 << Control.ABORT:
            self.aborts += 1
            self.control = 1 << Control.IDLE | 1 << Control.DONE
        elif offset == CONTROL:
            self.start()

    def start(self) -> None:
        self.control = 1 << Control.START
        if self.hangs:
            return
        sizes = Setup.of(self.program).sizes
        at = {name: self.registers[REGISTERS[name].offset] for name in sizes}
        for name, data in self.program.regions.items():
            assert self.memory[at[name] :][: len(data)] == data
        if not self.error:
            region = bytes(self.memory[at["input"] :][: sizes["input"]])
            output = answer(self.program, region)
            self.memory[at["output"] : at["output"] + len(output)] = output
        self.registers |= registers(self.program, self.error)
        self.control = 1 << Control.IDLE | 1 << Control.DONE

    def read(self, size: int) -> bytes:
        part, self.answer = self.answer[:size], self.answer[size:]
        return part

    def close(self) -> None:
        self.closed = True


def seal(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "little")


@pytest.fixture
def board(program: Program) -> Board:
    return Board(program)


def test_a_board_runs_every_image(board, program, images) -> None:
    with SerialLink(board, "port") as link:
        assert link.clock_hz == 25_000_000
        runs = list(run_images(link, program, images))
    check(runs, images)
    assert {run.cycles for run in runs} == {CYCLES}
    assert board.closed


def test_large_regions_take_several_requests(board) -> None:
    link = SerialLink(board, "port")
    data = bytes(range(256)) * 9
    begun = board.requests
    link.write(128, data[:-1])
    assert board.memory[128 : 128 + len(data)] == data[:-1] + b"\0"  # whole words
    assert link.read(128, len(data) - 1) == data[:-1]
    assert board.requests - begun == 2 * 3


def test_regions_are_aligned_and_fit(board) -> None:
    link = SerialLink(board, "port")
    places = link.place({"program": 100, "parameters": 64, "input": 1, "output": 3})
    assert places == {"program": 0, "parameters": 128, "input": 192, "output": 256}
    with pytest.raises(HostError, match=r"needs 65,600 bytes, the board's memory has 65,536"):
        link.place({"program": 65_536, "input": 1})


def test_the_error_register_is_reported(board, program, images) -> None:
    board.error = Error.CONFIGURATION
    with pytest.raises(HostError, match="error CONFIGURATION in an instruction of layer 0"):
        list(run_images(SerialLink(board, "port"), program, images))


def test_a_run_that_hangs_is_aborted(board, program, images, monkeypatch) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    board.hangs = True
    with pytest.raises(HostError, match="did not end within 0 s"):
        list(run_images(SerialLink(board, "port"), program, images))
    assert board.aborts == 1


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 4])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "port: the board fell silent"),
        (lambda data: data[:-1], r"port: the board sent 8 of 9 bytes"),
        (lambda data: data[:1], r"port: the board sent 1 of 9 bytes"),
        (flipped, "port: a damaged answer: check the cable"),
        (lambda data: seal(b"\1"), "port: the board received a damaged request: check the cable"),
        (lambda data: seal(b"\2"), "port: the board does not know the request"),
        (lambda data: seal(b"\3"), "port: the board refused the access: it lies outside of its"),
        (lambda data: seal(b"\x77"), "port: the board answered 0x77"),
    ],
)
def test_answers_that_fail(board, monkeypatch, damage, message) -> None:
    link = SerialLink(board, "port")
    monkeypatch.setattr(board, "damage", damage)
    with pytest.raises(HostError, match=message):
        link.read_register(16)


def test_a_port_without_a_board_behind_it(board, monkeypatch) -> None:
    monkeypatch.setattr(board, "damage", lambda data: b"")
    with pytest.raises(HostError, match="port: no answer: load the bitstream"):
        SerialLink(board, "port")


def test_a_board_of_another_kind(board) -> None:
    board.magic = b"ELSE"
    with pytest.raises(HostError, match="port: what answers is not polymap's bridge"):
        SerialLink(board, "port")


@pytest.mark.parametrize("call", ["write", "read"])
def test_a_cable_that_is_pulled(board, monkeypatch, call) -> None:
    def gone(*arguments: object) -> object:
        raise serial.SerialException("device disconnected")

    link = SerialLink(board, "port")
    monkeypatch.setattr(board, call, gone)
    with pytest.raises(HostError, match="port: the port failed: device disconnected"):
        link.read(0, 4)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOENT, "/dev/ttyX: no such device: connect the board"),
        (errno.EACCES, "/dev/ttyX: permission denied: run as a user who may use it"),
        (errno.EAGAIN, "/dev/ttyX: another program uses it"),
        (errno.EBUSY, "/dev/ttyX: another program uses it"),
        (errno.EIO, "/dev/ttyX: cannot be opened: "),
    ],
)
def test_ports_that_cannot_be_opened(monkeypatch, code: int, message: str) -> None:
    def failing(*arguments: object, **options: object) -> object:
        raise serial.SerialException(code, "no")

    monkeypatch.setattr(serial, "Serial", failing)
    with pytest.raises(HostError, match=message):
        SerialLink.open("/dev/ttyX")


def test_a_port_that_is_not_there() -> None:
    """By pyserial itself."""
    with pytest.raises(HostError, match="/dev/nowhere: no such device"):
        SerialLink.open("/dev/nowhere")


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ([("/dev/ttyS0", None, None)], "no board found: connect it, or name its port"),
        (
            [("/dev/ttyUSB0", 0x0403, 0x6015), ("/dev/ttyUSB1", 0x0403, 0x6015)],
            "2 boards found: name one with --device: /dev/ttyUSB0, /dev/ttyUSB1",
        ),
    ],
)
def test_a_port_that_nobody_named(monkeypatch, ports, message) -> None:
    found = [SimpleNamespace(device=name, vid=vid, pid=pid) for name, vid, pid in ports]
    monkeypatch.setattr(serial_link.list_ports, "comports", lambda: found)
    with pytest.raises(HostError, match=message):
        SerialLink.open()


def test_the_only_board_is_opened_and_closed_after_a_failure(board, monkeypatch) -> None:
    found = [SimpleNamespace(device="/dev/ttyUSB3", vid=0x0403, pid=0x6015)]
    monkeypatch.setattr(serial_link.list_ports, "comports", lambda: found)
    asked: list[Any] = []
    board.reset_input_buffer = lambda: None

    def opened(name: str, baud: int, **options: object) -> Board:
        asked.append((name, baud, options["exclusive"]))
        return board

    monkeypatch.setattr(serial, "Serial", opened)
    SerialLink.open()
    assert asked == [("/dev/ttyUSB3", 1_000_000, True)] and not board.closed
    board.magic = b"ELSE"
    with pytest.raises(HostError):
        SerialLink.open()
    assert board.closed
