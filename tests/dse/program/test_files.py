"""The three files: what is written is read again, and everything foreign is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dse.network.graph import Network
from dse.program import LayerMapping, Program, ProgramError, compile_network, read_program
from dse.program.program import HEADER_BYTES, MANIFEST_FILE, PROGRAM_FILE, WEIGHTS_FILE
from hw.config import OverlayConfig
from hw.isa import INSTRUCTION_BYTES


@pytest.fixture
def folder(network: Network, config: OverlayConfig, tmp_path: Path) -> Path:
    compile_network(network, config).save(tmp_path)
    return tmp_path


def test_round_trip(network: Network, config: OverlayConfig, folder: Path) -> None:
    assert Program.load(folder, config) == compile_network(network, config, LayerMapping())


def test_layout_of_program_bin(folder: Path) -> None:
    data = (folder / PROGRAM_FILE).read_bytes()
    header, instructions = read_program(data)
    assert data[:4] == b"PMAP"
    assert len(data) == HEADER_BYTES + header.instructions * INSTRUCTION_BYTES
    assert instructions[0].field("instructions") == len(instructions) == header.instructions


def corrupt(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (0, "not a program: the file starts with b'QMAP'"),
        (4, "header version 3, this tool reads 2"),
        (8, "CRC-32 of the header"),
        (HEADER_BYTES + 20, "CRC-32 of the instructions"),
    ],
)
def test_corrupted_program(folder: Path, position: int, message: str) -> None:
    corrupt(folder / PROGRAM_FILE, position)
    with pytest.raises(ProgramError, match=message):
        Program.load(folder)


def test_corrupted_weights(folder: Path) -> None:
    corrupt(folder / WEIGHTS_FILE, 0)
    with pytest.raises(ProgramError, match=r"CRC-32 of weights\.bin"):
        Program.load(folder)


@pytest.mark.parametrize(
    ("size", "message"),
    [(2, "not a program"), (HEADER_BYTES - 1, "the header needs"), (HEADER_BYTES + 130, "need")],
)
def test_truncated_program(folder: Path, size: int, message: str) -> None:
    path = folder / PROGRAM_FILE
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ProgramError, match=message):
        Program.load(folder)


def test_truncated_weights(folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ProgramError, match="the program needs"):
        Program.load(folder)


def test_other_configuration(config: OverlayConfig, folder: Path) -> None:
    with pytest.raises(ProgramError, match="the program is for configuration"):
        Program.load(folder, replace(config, rows=4))


def test_sections_of_the_weights_are_the_headers(folder: Path) -> None:
    data = json.loads((folder / MANIFEST_FILE).read_text())
    data["parameter_bytes"] += 64
    (folder / MANIFEST_FILE).write_text(json.dumps(data))
    with pytest.raises(ProgramError, match="do not belong together"):
        Program.load(folder)


def test_other_isa_version(
    network: Network, config: OverlayConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.program.program.ISA_VERSION", 99)
    with pytest.raises(ProgramError, match="this tool has 99"):
        Program.load(folder)


def test_missing_file(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(ProgramError, match="No such file"):
        Program.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "not of version 3"),
        ('{"version": 3, "colour": 2}', "unknown keys"),
        ('{"version": 3}', "damaged"),
    ],
)
def test_damaged_manifest(folder: Path, text: str, message: str) -> None:
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ProgramError, match=message):
        Program.load(folder)


def test_foreign_manifest(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "configuration_hash": 1}))
    with pytest.raises(ProgramError, match="do not belong together"):
        Program.load(folder)
