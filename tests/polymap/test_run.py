"""``polymap run``: one class for all links, measured and predicted; every failure is a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymap
from boards.runtime import handshake
from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.cycles.whole_program import program_cycles
from hw.isa import Error
from polymap.api import running
from sim import golden
from tests.boards.host_stand_ins import CONFIG, CYCLES, Card, Xrt, network


@pytest.fixture
def program(tmp_path: Path) -> Program:
    compile_network(network(), CONFIG).save(tmp_path / "program")
    return Program.load(tmp_path / "program")


@pytest.fixture
def folder(program: Any, tmp_path: Path) -> Path:
    """A program alone, and three images beside it."""
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "x.npz", x=rng.integers(-128, 128, (3, 5, 4, 3)).astype(np.int8))
    return tmp_path / "program"


@pytest.fixture
def run(invoke: Callable[..., Any], folder: Path, tmp_path: Path) -> Callable[..., Any]:
    """The command on the program and its images."""

    def call(*arguments: object, program: Path = folder) -> Any:
        inputs = ("--input", tmp_path / "x.npz", "--out", tmp_path / "out")
        return invoke("run", program, *inputs, *arguments)

    return call


@pytest.fixture
def card(program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    """A card behind the XDMA driver."""
    with Card(tmp_path, program) as card:
        monkeypatch.setattr(running, "XdmaLink", lambda device: card)
        yield card


def right(tmp_path: Path) -> None:
    with np.load(tmp_path / "x.npz") as inputs, np.load(tmp_path / "out/outputs.npz") as outputs:
        for image, found in zip(inputs["x"], outputs["y"], strict=True):
            np.testing.assert_array_equal(found, golden.run(network(), {"x": image})["y"])


def test_a_card_answers_and_is_measured(run, card, program, tmp_path) -> None:
    answer = run("--on", "xdma", "--json")
    assert answer.code == 0, answer
    right(tmp_path)
    said = json.loads(answer.stdout)
    saved = json.loads((tmp_path / "out" / "run.json").read_text())
    assert said == {name: saved[name] for name in said}
    assert said["cycles_per_image"] == [CYCLES] * 3
    assert said["latency_ms"] == pytest.approx(CYCLES / 250e3)
    expected = program_cycles(program, program.manifest.overlay).total
    assert said["predicted_cycles"] == expected
    assert said["predicted_ms"] == pytest.approx(expected / 250e3)
    assert len(said["host_ms_per_image"]) == said["images"] == 3
    assert said["images_per_second"] == pytest.approx(3e3 / sum(said["host_ms_per_image"]))


def test_what_a_person_reads(run, card, program) -> None:
    text = run("--on", "xdma").stdout
    expected = program_cycles(program, program.manifest.overlay).total
    assert f"an image on the overlay: {CYCLES:,} cycles, 0.017 ms; predicted: {expected:,}" in text
    assert " ms an image, " in text and " images/s" in text


@pytest.mark.parametrize("blind", [False, True])
def test_xrt_answers(run, program, tmp_path, monkeypatch, blind: bool) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", Xrt(program, blind=blind))
    (tmp_path / "x.xclbin").write_bytes(b"")
    answer = run("--on", "xrt", "--xclbin", tmp_path / "x.xclbin")
    assert answer.code == 0, answer
    right(tmp_path)
    assert ("cycles unknown" in answer.stdout) == blind


def failed(answer: Any, code: int, tmp_path: Path) -> str:
    """The one line of a run that failed, which leaves no outputs."""
    assert answer.code == code, answer
    assert answer.stdout == "" and answer.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "outputs.npz").exists()
    return answer.stderr.removeprefix("polymap run: ").rstrip("\n")


def test_missing_things_are_one_line(run, program, tmp_path) -> None:
    device = tmp_path / "xdma7"
    said = failed(run("--on", "xdma", "--device", device), 1, tmp_path)
    assert said.startswith(f"{device}_user: no such device: load the driver")
    said = failed(run("--on", "xdma", program=tmp_path / "nowhere"), 2, tmp_path)
    assert said.startswith("cannot read ")
    said = failed(run("--on", "xrt"), 2, tmp_path)
    assert said == "--on xrt needs --xclbin FILE, the linked design"
    said = failed(run("--on", "xrt", "--xclbin", "x.xclbin"), 1, tmp_path)
    assert said.startswith("XRT's Python binding is missing")
    said = failed(run("--on", "xdma", "--xclbin", "x.xclbin"), 2, tmp_path)
    assert said == "--xclbin is for --on xrt"
    said = failed(run("--on", "simulation", "--device", "3"), 2, tmp_path)
    assert said == "--device names a card: a simulation has none"
    said = failed(run("--on", "xrt", "--xclbin", "x", "--device", "a"), 2, tmp_path)
    assert said == "--device must be the number of a card for --on xrt, not 'a'"
    (tmp_path / "x.npz").unlink()
    assert "x.npz: No such file" in failed(run("--on", "xdma"), 2, tmp_path)


def test_an_xclbin_that_is_not_there_is_one_line(run, program, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", Xrt(program))
    said = failed(run("--on", "xrt", "--xclbin", tmp_path / "x.xclbin"), 2, tmp_path)
    assert said == f"{tmp_path / 'x.xclbin'}: No such file or directory"


def test_permission_denied_is_one_line(run, tmp_path, monkeypatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("boards.runtime.xdma_link.os.open", refuse)
    said = failed(run("--on", "xdma"), 1, tmp_path)
    assert said == "/dev/xdma0_user: permission denied: run as a user who may use it"


def test_a_run_that_does_not_end_is_one_line(run, card, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.0)
    card.hangs = True
    assert failed(run("--on", "xdma"), 1, tmp_path) == "the run did not end within 0 s"


def test_an_error_of_the_overlay_is_one_line(run, card, tmp_path) -> None:
    card.error = Error.CHECKSUM
    said = failed(run("--on", "xdma"), 1, tmp_path)
    assert said == "error CHECKSUM in an instruction of layer 0"


@pytest.mark.parametrize(
    ("register", "name"), [("isa_version", "isa version"), ("configuration", "configuration")]
)
def test_another_overlay_is_one_line(run, card, tmp_path, monkeypatch, register, name) -> None:
    """The ports are part of the configuration; nothing has been written by then."""
    tell = card.read_registers
    wrong = {register: 0x77}
    monkeypatch.setattr(
        card, "read_registers", lambda names: {k: wrong.get(k, v) for k, v in tell(names).items()}
    )
    written: list[object] = []
    monkeypatch.setattr(card, "write", lambda *access: written.append(access))
    monkeypatch.setattr(card, "write_register", lambda *access: written.append(access))
    said = failed(run("--on", "xdma"), 1, tmp_path)
    assert said.startswith(f"the program is for {name} ")
    assert "the overlay on the card has 0x77: compile the model for it, or load its" in said
    assert written == []


def test_a_card_that_delivers_too_little_is_one_line(run, card, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("boards.runtime.xdma_link.os.pread", lambda *at: b"xy")
    said = failed(run("--on", "xdma"), 1, tmp_path)
    assert said.endswith("gave 2 of 4 bytes")


@pytest.mark.rtl
def test_a_simulation_answers_as_simulate_does(
    invoke: Callable[..., Any],
    quantised: Path,
    images: Path,
    overlay: tuple[str, Path],
    tmp_path: Path,
) -> None:
    assert invoke("compile", quantised, *overlay, "--out", tmp_path / "compiled").code == 0
    outputs = ("--input", images, "--out")
    simulated = invoke("simulate", quantised, *overlay, *outputs, tmp_path / "simulated", "--json")
    answer = invoke(
        *("run", tmp_path / "compiled", "--on", "simulation", "--json"),
        *(*outputs, tmp_path / "ran"),
    )
    assert answer.code == simulated.code == 0, answer
    with (
        np.load(tmp_path / "ran/outputs.npz") as ours,
        np.load(tmp_path / "simulated/outputs.npz") as theirs,
    ):
        assert ours.files == theirs.files
        for name in ours.files:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])
    said, expected = json.loads(answer.stdout), json.loads(simulated.stdout)
    assert said["cycles_per_image"] == expected["cycles_per_image"]
    assert set(said["cycles_per_image"]) == {said["predicted_cycles"]}
    assert said["clock_mhz"] is said["latency_ms"] is None


def test_the_api_runs_it(folder: Path, card: Card, tmp_path: Path) -> None:
    answered = polymap.run(folder, tmp_path / "x.npz", polymap.Target.XDMA)
    assert answered.cycles == (CYCLES,) * 3 and list(answered.outputs) == ["y"]
