"""``polymap compile`` and ``polymap disasm``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.assembly.program import Program
from polymap import configuration

ARRAY = ("--array", "4x4", "--lanes", "2")


@pytest.fixture(scope="module")
def program(
    invoke: Callable[..., Any], quantised: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("program")
    answer = invoke("compile", quantised, *ARRAY, "--out", out)
    assert answer.code == 0
    assert answer.stderr == ""
    assert "first" in answer.stdout
    assert f"written to {out}" in answer.stdout
    return out


def test_files(program: Path) -> None:
    loaded = Program.load(program, configuration(4, 4, 2))
    assert [layer.name for layer in loaded.manifest.layers] == ["first", "largest", "second"]


def test_json(invoke: Callable[..., Any], quantised: Path, tmp_path: Path) -> None:
    data = json.loads(invoke("compile", quantised, *ARRAY, "--out", tmp_path, "--json").stdout)
    assert data["out"] == str(tmp_path)
    assert data["configuration"] == configuration(4, 4, 2).to_json()
    assert data["cycles"] == sum(layer["cycles"] for layer in data["layers"])


def test_float(
    invoke: Callable[..., Any], float_model: Path, calibration: Path, tmp_path: Path
) -> None:
    answer = invoke(
        "compile", float_model, *ARRAY, "--calibration", calibration, "--out", tmp_path, "--json"
    )
    assert [layer["name"] for layer in json.loads(answer.stdout)["layers"]] == ["conv"]


def test_config_file_is_taken_as_it_is(
    invoke: Callable[..., Any], quantised: Path, program: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"rows": 3, "columns": 5, "lanes": 1, "tensor_bytes": 256}')
    answer = invoke("compile", quantised, "--config", config, "--out", tmp_path, "--json")
    data = json.loads(answer.stdout)
    assert data["configuration"]["tensor_bytes"] == 256
    for config in (program, program / "manifest.json"):
        answer = invoke("compile", quantised, "--config", config, "--out", tmp_path, "--json")
        assert json.loads(answer.stdout)["configuration"] == configuration(4, 4, 2).to_json()


@pytest.mark.parametrize("dataflow", ["WS", "IS", "NS"])
def test_mapping(
    invoke: Callable[..., Any], quantised: Path, tmp_path: Path, dataflow: str
) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"layers": {"first": {"dataflow": dataflow}}}))
    out = tmp_path / "out"
    answer = invoke("compile", quantised, *ARRAY, "--mapping", mapping, "--out", out, "--json")
    assert json.loads(answer.stdout)["layers"][0]["dataflow"] == dataflow


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"layers": {"nosuch": {}}}', "no convolution named 'nosuch'"),
        ('{"layers": {"first": {"dataflow": "OS"}}}', "dataflow must be one of"),
        ('{"layers": {"first": {"algorithm": "fft"}}}', "algorithm must be one of"),
        ("[]", "must be an object"),
        ("{", "cannot read the mapping"),
    ],
)
def test_bad_mapping(
    refused: Callable[..., str], quantised: Path, tmp_path: Path, text: str, message: str
) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text(text)
    line = refused("compile", quantised, *ARRAY, "--mapping", mapping, "--out", tmp_path / "out")
    assert message in line


def test_missing_mapping(refused: Callable[..., str], quantised: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "no.json"
    line = refused("compile", quantised, *ARRAY, "--mapping", mapping, "--out", tmp_path)
    assert str(mapping) in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--array", "4by4", "--lanes", "1"], "array must look like 16x32"),
        (["--array", "1x4", "--lanes", "1"], "rows must be an integer in [2, 1024], not 1"),
        (["--array", "4x4"], "--lanes 1|2 is missing"),
        (["--lanes", "1"], "--array RxC is missing"),
        (["--config", "/nowhere.json"], "/nowhere.json: cannot be read"),
        (["--config", "/dev"], "/dev/manifest.json: cannot be read: No such file"),
    ],
)
def test_bad_overlay(
    refused: Callable[..., str],
    quantised: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    assert message in refused("compile", quantised, *arguments, "--out", tmp_path)


def test_unsupported_nodes(refused: Callable[..., str], unsupported: Path, tmp_path: Path) -> None:
    line = refused("compile", unsupported, *ARRAY, "--out", tmp_path)
    assert line.startswith(f"polymap compile: {unsupported}: 5 unsupported nodes: ")
    assert "org.example.Strange: 5 nodes, first odd0: " in line


def test_missing_calibration(
    refused: Callable[..., str], float_model: Path, tmp_path: Path
) -> None:
    line = refused("compile", float_model, *ARRAY, "--out", tmp_path)
    assert line.startswith(f"polymap compile: {float_model}: a float model needs calibration")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": np.zeros((2, 3, 6, 5))}, "input 'x' must be float32, not float64"),
        ({"x": np.zeros((2, 3, 6, 6), np.float32)}, "input 'x' must be (N, 3, 6, 5), not"),
    ],
)
def test_bad_calibration(
    refused: Callable[..., str],
    float_model: Path,
    tmp_path: Path,
    arrays: dict[str, np.ndarray],
    message: str,
) -> None:
    path = tmp_path / "calibration.npz"
    np.savez(path, allow_pickle=False, **arrays)
    line = refused("compile", float_model, *ARRAY, "--calibration", path, "--out", tmp_path)
    assert str(path) in line
    assert message in line


def test_out_that_cannot_be_made(
    refused: Callable[..., str], quantised: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    assert str(tmp_path / "file") in refused("compile", quantised, *ARRAY, "--out", out)


def test_disasm(invoke: Callable[..., Any], program: Path) -> None:
    for file in (program, program / "program.bin"):
        answer = invoke("disasm", file)
        assert answer.code == 0
        lines = answer.stdout.splitlines()
        assert "BEGIN" in lines[0]
        assert "END" in lines[-1]
        assert any("CONV" in line for line in lines)


def test_disasm_json(invoke: Callable[..., Any], program: Path) -> None:
    data = json.loads(invoke("disasm", program, *ARRAY, "--json").stdout)
    assert data["file"] == str(program)
    assert data["instructions"][0]["opcode"] == "BEGIN"
    assert data["instructions"][-1]["opcode"] == "END"


@pytest.mark.parametrize("whole", [True, False])
def test_program_for_another_configuration(
    refused: Callable[..., str], program: Path, whole: bool
) -> None:
    file = program if whole else program / "program.bin"
    line = refused("disasm", file, "--array", "8x8", "--lanes", "1")
    assert line.startswith(f"polymap disasm: {file}: the program is for configuration 0x")
    assert line.endswith(": compile it again\n")


@pytest.mark.parametrize(
    ("name", "position", "message"),
    [
        ("program.bin", 0, "not a program"),
        ("program.bin", 20, "corrupted: CRC-32 of the header"),
        ("program.bin", 200, "corrupted: CRC-32 of the instructions"),
        ("weights.bin", 100, "corrupted: CRC-32 of weights.bin"),
    ],
)
def test_corrupted_program(
    refused: Callable[..., str],
    program: Path,
    tmp_path: Path,
    name: str,
    position: int,
    message: str,
) -> None:
    for file in program.iterdir():
        data = bytearray(file.read_bytes())
        if file.name == name:
            data[position] ^= 0x55
        (tmp_path / file.name).write_bytes(data)
    line = refused("disasm", tmp_path)
    assert str(tmp_path) in line
    assert message in line


def test_no_program(refused: Callable[..., str], program: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.bin"
    cut.write_bytes((program / "program.bin").read_bytes()[:100])
    assert "truncated" in refused("disasm", cut)
    assert "cannot read" in refused("disasm", tmp_path)
    assert "No such file" in refused("disasm", tmp_path / "nowhere.bin")


def test_disasm_of_something_long(refused: Callable[..., str], tmp_path: Path) -> None:
    """Nothing of it is read: neither alone nor in the folder of a program."""
    path = tmp_path / "program.bin"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    reason = "program.bin is no program: it has more than 268,435,456 bytes"
    assert refused("disasm", path) == f"polymap disasm: {path}: {reason}\n"
    assert refused("disasm", tmp_path) == f"polymap disasm: {tmp_path}: {reason}\n"
