"""The three files: what is written is read again, and everything foreign is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dse.assembly.program import (
    HEADER_BYTES,
    MANIFEST_FILE,
    PROGRAM_FILE,
    WEIGHTS_FILE,
    Program,
    read_program,
)
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.files.documents import CHECKSUM, seal
from dse.network.graph import Network
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import INSTRUCTION_BYTES
from hw.isa.config import OverlayConfig


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


def test_corrupted_seal(folder: Path) -> None:
    """The checksum itself, and what follows it in the last instruction."""
    whole = (folder / PROGRAM_FILE).read_bytes()
    for position in (len(whole) - INSTRUCTION_BYTES + 4, len(whole) - 1):
        (folder / PROGRAM_FILE).write_bytes(whole)
        corrupt(folder / PROGRAM_FILE, position)
        with pytest.raises(ProgramError, match="does not carry the program's checksum"):
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


def test_other_isa_version(
    network: Network, config: OverlayConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.assembly.program.ISA_VERSION", 99)
    with pytest.raises(ProgramError, match="this tool has 99"):
        Program.load(folder)


def test_missing_file(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(ProgramError, match="No such file"):
        Program.load(folder)


def change(folder: Path, *, sealed: bool = True, **entries: Any) -> None:
    """Other entries in the manifest, with the right checksum or the old one."""
    path = folder / MANIFEST_FILE
    data = {**json.loads(path.read_text()), **entries}
    path.write_text(json.dumps(seal(unsealed(data)) if sealed else data))


def unsealed(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != CHECKSUM}


def output(folder: Path, **entries: Any) -> list[Any]:
    """The manifest's outputs, the first of them changed."""
    first, *others = json.loads((folder / MANIFEST_FILE).read_text())["outputs"]
    return [{**first, **entries}, *others]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON document"),
        ("[]", "must be an object"),
        ('{"version": 3, "colour": 2}', "of version 3, this tool reads version 5"),
        ('{"version": 5}', "checksum"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_damaged_manifest(folder: Path, text: str, message: str) -> None:
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ProgramError, match=message):
        Program.load(folder)


def test_manifest_changed_by_hand(folder: Path) -> None:
    change(folder, sealed=False, outputs=output(folder, offset=8))
    with pytest.raises(ProgramError, match="changed by hand"):
        Program.load(folder)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"offset": "0"}, r"outputs\[0\]\.offset must be an integer, not '0'"),
        ({"offset": -8}, r"outputs\[0\]\.offset must be at least 0, not -8"),
        ({"offset": 1 << 40}, "ends at byte"),
        ({"shape": [1, 2]}, r"outputs\[0\]\.shape\[2\] is missing"),
        ({"colour": 2}, r"outputs\[0\]\.colour is no key"),
    ],
)
def test_output_of_a_manifest(folder: Path, entry: dict[str, Any], message: str) -> None:
    change(folder, outputs=output(folder, **entry))
    with pytest.raises(ProgramError, match=message):
        Program.load(folder)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"configuration_hash": 1}, "configuration_hash is not that of the configuration"),
        ({"configuration": {}}, "configuration_hash is not that"),
        ({"configuration": {"rows": 1}}, "configuration: rows must be"),
        ({"instructions": 1}, "waits for an instruction that there is not"),
        ({"input_bytes": 1}, "inputs: 'x' ends at byte"),
        ({"files": {}}, "do not belong together"),
    ],
)
def test_contradictions(folder: Path, entries: dict[str, Any], message: str) -> None:
    change(folder, **entries)
    with pytest.raises(ProgramError, match=message):
        Program.load(folder)


def test_files_of_two_programs(
    network: Network, config: OverlayConfig, folder: Path, tmp_path: Path
) -> None:
    mapping = LayerMapping.from_json({"layers": {"a": {"dataflow": "NS"}}})
    other = tmp_path / "other"
    compile_network(network, config, mapping).save(other)
    (other / MANIFEST_FILE).replace(folder / MANIFEST_FILE)
    with pytest.raises(ProgramError, match="do not belong together"):
        Program.load(folder)
