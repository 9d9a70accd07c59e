"""The command line as a whole: help, version, and errors of every kind in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import polymap
from boards.board import BOARDS, U200

COMMANDS = ("check", "compile", "elaborate", "simulate", "disasm", "explore", "pipeline", "doctor")
ARRAY = ("--array", "4x4", "--lanes", 1)


def test_version(invoke: Callable[..., Any]) -> None:
    assert invoke("--version").stdout == f"polymap {metadata.version('polymap')}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command(invoke: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    answer = invoke(*arguments)
    assert answer.code == 0
    assert all(command in answer.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_json(invoke: Callable[..., Any], command: str) -> None:
    answer = invoke(command, "--help")
    assert answer.code == 0
    assert "--json" in answer.stdout


@pytest.mark.parametrize("command", ["elaborate", "explore", "package"])
def test_help_names_every_board(
    invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(BOARDS, "nowhere", U200)
    help = " ".join(invoke(command, "--help").stdout.replace("│", " ").split())
    assert all(name in help for name in BOARDS)
    assert "{boards}" not in help


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["chekc"], "polymap: No such command 'chekc'. Did you mean 'check'?"),
        (["--frob"], "polymap: No such option: --frob"),
        (["check"], "polymap check: Missing argument 'MODEL'"),
        (["check", "a", "b"], "polymap check: Got unexpected extra argument"),
        (["compile", "m.onnx"], "polymap compile: Missing option '--out'"),
        (["elaborate", "--out", "o", "--lanes", "3"], "polymap elaborate: Invalid value for"),
        (["simulate", "m.onnx", "--out", "o"], "polymap simulate: Missing option '--input'"),
        (["explore", "m.onnx", "--model", "x"], "polymap explore: "),
    ],
)
def test_usage_errors(refused: Callable[..., str], arguments: list[str], line: str) -> None:
    said = refused(*arguments)
    assert said.startswith(line)
    command = line.split(":")[0]
    assert said.endswith(f"; see `{command} --help`\n")


def test_pipeline_is_registered(invoke: Callable[..., Any], refused: Callable[..., str]) -> None:
    assert invoke("pipeline", "alexnet", "--json").stdout.startswith("{")
    assert refused("pipeline", "nowhere").startswith("polymap pipeline: network 'nowhere'")


@pytest.mark.parametrize(
    "arguments",
    [
        ("compile", "nowhere.onnx", *ARRAY),
        ("simulate", "nowhere.onnx", *ARRAY, "--input", "nowhere.npz"),
        ("run", "nowhere", "--input", "nowhere.npz", "--on", "simulation"),
        ("elaborate", "--board", "ulx3s", "--array", "64x64", "--lanes", 1),
        ("package", "--board", "u200", "--array", "512x512", "--lanes", 1),
        ("build", "--board", "ulx3s", "--array", "64x64", "--lanes", 1),
        ("explore", "nowhere.onnx", "--array", "4x4"),
        ("explore", "squeezenet", "--style", "both", "--board", "u200", "--algorithm", "fft"),
        ("pipeline", "nowhere.onnx"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_refused_makes_no_folder(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    refused(*arguments, "--out", tmp_path / "deep" / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("compile", "m.onnx", *ARRAY), ("elaborate", *ARRAY)])
def test_a_file_in_the_place_of_the_folder(
    refused: Callable[..., str], tmp_path: Path, command: tuple[object, ...]
) -> None:
    (tmp_path / "file").write_text("")
    said = refused(*command, "--out", tmp_path / "file")
    assert f"{tmp_path}/file: a file has this name: choose another folder" in said
    assert f"{tmp_path}/file: Not a dir" in refused(*command, "--out", tmp_path / "file" / "new")


def test_a_folder_that_cannot_be_written(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may be root's
    said = refused("compile", "nowhere.onnx", *ARRAY, "--out", tmp_path / "new")
    assert f"{tmp_path}: Permission denied" in said


def test_unexpected_error(invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(model: str, **_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(polymap.api, "check", broken, raising=False)
    answer = invoke("check", "x.onnx")
    assert answer.code == 1
    assert answer.stderr == (
        "polymap check: internal error, ZeroDivisionError: division by zero; "
        "`polymap --debug check ...` shows where\n"
    )


def test_debug_shows_the_traceback() -> None:
    done = _python("-m", "polymap.cli", "--debug", "check", "nowhere.onnx")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "NetworkError: nowhere.onnx: cannot be read" in done.stderr


def test_missing_package(invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(model: str, **_: object) -> None:
        raise ModuleNotFoundError("No module named 'onnx'")

    monkeypatch.setattr(polymap.api, "check", absent, raising=False)
    answer = invoke("check", "x.onnx")
    assert answer.code == 2
    assert answer.stderr == (
        "polymap check: No module named 'onnx': `polymap doctor` lists what is needed\n"
    )


def test_interrupt(invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(model: str, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(polymap.api, "check", interrupted, raising=False)
    assert invoke("check", "x.onnx").code == 130


def test_starts_without_the_heavy_packages() -> None:
    code = (
        "import sys, polymap.cli; "
        "print([name for name in ('onnx', 'onnxruntime', 'amaranth') if name in sys.modules])"
    )
    assert _python("-c", code).stdout == "[]\n"


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "polymap.cli", "pipeline", "alexnet", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() != 0


@pytest.mark.parametrize("arguments", [["--version"], ["check", "--help"], ["pipeline", "alexnet"]])
def test_output_that_finds_no_room(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "polymap.cli", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("polymap")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
