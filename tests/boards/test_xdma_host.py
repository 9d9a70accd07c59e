"""The host of XDMA, on a stand-in for the driver's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boards.runtime import handshake, xdma_link
from boards.runtime.link import HostError
from boards.runtime.runtime import run_images
from hw.isa import Error
from hw.isa.register_map import REGISTERS, Control
from tests.boards.host_stand_ins import Card, any_ports, check


@any_ports
def test_xdma_host_runs_every_image(program, images, tmp_path) -> None:
    with Card(tmp_path, program) as card:
        check(run_images(card, program, images), images)


def test_xdma_host_reports_the_error_register(program, images, tmp_path) -> None:
    message = "error CONFIGURATION in an instruction of layer 0"
    with (
        Card(tmp_path, program, error=Error.CONFIGURATION) as card,
        pytest.raises(HostError, match=message),
    ):
        list(run_images(card, program, images))


def test_xdma_host_gives_up(program, images, tmp_path, monkeypatch) -> None:
    """And ends the run, so that the next host finds the overlay idle."""
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    with Card(tmp_path, program, hangs=True) as card:
        with pytest.raises(HostError, match="did not end within 0 s"):
            list(run_images(card, program, images))
        assert card.aborts == 1
        card.hangs = False
        check(run_images(card, program, images), images)


def test_xdma_host_takes_no_end_of_another_run_for_its_own(program, images, tmp_path) -> None:
    with Card(tmp_path, program, left=1 << Control.DONE | 1 << Control.IDLE) as card:
        check(run_images(card, program, images), images)


def test_xdma_host_ends_a_run_that_another_one_left(program, images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    with Card(tmp_path, program, left=1 << Control.START) as card:
        check(run_images(card, program, images), images)
        assert card.aborts == 1


def test_xdma_host_cannot_use_an_overlay_that_stays_busy(
    program, images, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    with Card(tmp_path, program) as card:
        read = card.read_register
        control = REGISTERS["control"].offset
        busy = 1 << Control.START
        monkeypatch.setattr(card, "read_register", lambda at: busy if at == control else read(at))
        with pytest.raises(HostError, match="the overlay is busy"):
            list(run_images(card, program, images))


def test_words_are_written_whole() -> None:
    assert xdma_link.whole_words(b"x" * 65) == b"x" * 65 + bytes(63)
    assert xdma_link.whole_words(b"x" * 64) == b"x" * 64


class Driver(xdma_link.XdmaLink):
    """The XDMA driver's files with nothing behind them."""

    def __init__(self, folder: Path, size: int = 1 << 16) -> None:
        for name in ("user", "h2c_0", "c2h_0"):
            (folder / f"xdma0_{name}").write_bytes(bytes(size))
        super().__init__(folder / "xdma0")


@pytest.mark.parametrize(
    ("call", "answer", "act", "message"),
    [
        ("pwrite", 0, lambda card: card.write(0, b"x" * 64), "the card took 0 of 64 bytes"),
        ("pwrite", 0, lambda card: card.write_register(16, 1), "0x10 took 0 of 4 bytes"),
        ("pwrite", 3, lambda card: card.write_register(16, 1), "0x10 took 3 of 4 bytes"),
        ("pread", b"", lambda card: card.read(0, 64), "delivered 0 of 64 bytes"),
        ("pread", b"xy", lambda card: card.read_register(16), "0x10 gave 2 of 4 bytes"),
        ("pwrite", OSError(5, "Input/output error"), lambda card: card.write(0, b"x"), "Input/out"),
        ("pread", OSError(110, "Timed out"), lambda card: card.read(0, 8), "read: Timed out"),
        ("pread", OSError(19, "No device"), lambda card: card.read_register(0), "No device"),
        ("pread", b"\xff" * 4, lambda card: card.make_idle(), "the card does not answer"),
    ],
)
def test_driver_that_fails(tmp_path, monkeypatch, call, answer, act, message) -> None:
    def failing(*arguments: object) -> object:
        if isinstance(answer, OSError):
            raise answer
        return answer

    with Driver(tmp_path) as card:
        monkeypatch.setattr(os, call, failing)
        with pytest.raises(HostError, match=message) as caught:
            act(card)
        monkeypatch.undo()
    assert str(tmp_path / "xdma0") in str(caught.value)


def test_driver_that_takes_little_at_a_time(tmp_path, monkeypatch) -> None:
    whole = os.pwrite
    with Driver(tmp_path) as card:
        monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:7], at))
        card.write(3, bytes(range(100)))
    assert (tmp_path / "xdma0_h2c_0").read_bytes()[3:103] == bytes(range(100))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file"), "xdma0_h2c_0: no such device: load the driver"),
        (PermissionError(13, "Permission denied"), "xdma0_h2c_0: permission denied"),
        (OSError(16, "Device or resource busy"), "cannot be opened: Device or resource busy"),
    ],
)
def test_device_that_cannot_be_opened(tmp_path, monkeypatch, error, message) -> None:
    opened, closed = [], []
    really, close = os.open, os.close

    def failing(path: str, flags: int) -> int:
        if path.endswith("h2c_0"):
            raise error
        opened.append(really(path, flags))
        return opened[-1]

    (tmp_path / "xdma0_user").write_bytes(bytes(64))
    monkeypatch.setattr(os, "open", failing)
    monkeypatch.setattr(os, "close", lambda file: closed.append(file) or close(file))
    with pytest.raises(HostError, match=message):
        xdma_link.XdmaLink(tmp_path / "xdma0")
    assert opened == closed and opened
