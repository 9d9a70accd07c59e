"""A model of several segments in files, and on a card: the same answers, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import polymap
from boards.runtime.batch_task import BatchTask
from boards.runtime.bundle import Bundle
from boards.runtime.link import CardRun
from boards.runtime.setup import FILL
from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.network.inputs import images, join
from sim import functional, golden
from tests.dse.network.conftest import Builder
from tests.dse.network.test_segments import on_one_branch

CONFIG = polymap.configuration(4, 6, 2)


class Card:
    """A link to the functional model; each program in turn is placed once."""

    def __init__(self, programs: tuple[Program, ...]) -> None:
        self.programs, self.placed = programs, 0
        self.region = b""

    def make_idle(self) -> None:
        pass

    def read_registers(self, names: tuple[str, ...]) -> dict[str, int]:
        return {}

    def place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        self.placed += 1
        return {name: number << 32 for number, name in enumerate(sizes)}

    def write(self, address: int, data: bytes) -> None:
        manifest = self.programs[self.placed - 1].manifest
        if len(data) == manifest.input_bytes:
            self.region = data

    def write_register(self, offset: int, word: int) -> None:
        pass

    def run(self, output: int, size: int) -> CardRun:
        program = self.programs[self.placed - 1]
        given = {
            place.name: np.frombuffer(self.region, np.int8, place.size, place.offset).reshape(
                place.shape
            )
            for place in program.manifest.inputs
        }
        left = np.full(size, FILL, np.int8)
        made = functional.run(program, CONFIG, given).outputs
        for place in program.manifest.outputs:
            left[place.offset :][: place.size] = made[place.name].reshape(-1)
        return CardRun(output=left.tobytes(), registers={})


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(3).normal(size=(2, 3, 8, 8)).astype(np.float32)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, batch: dict) -> Path:
    """The model's file; its images beside it."""
    builder = Builder()
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(builder.model(on_one_branch(builder)), path)
    np.savez(path.with_name("images.npz"), **batch)
    return path


@pytest.fixture(scope="module")
def folder(model: Path, batch: dict) -> Path:
    """The compiled model."""
    out = model.with_name("compiled")
    loaded = polymap.load(model, batch)
    polymap.bundle(loaded, polymap.fit(loaded, CONFIG)).save(out)
    return out


def test_a_card_answers_as_the_golden_model(model: Path, folder: Path, batch: dict) -> None:
    task = BatchTask.read(folder, model.with_name("images.npz"))
    told: list[tuple[int, int]] = []
    answers = task.run(Card(task.programs), lambda done, whole: told.append((done, whole)))
    assert told == [(0, 4), (1, 4), (2, 4), (2, 4), (3, 4), (4, 4)]  # two programs, two images
    assert answers.cycles is None and len(answers.seconds) == 2
    loaded = polymap.load(model, batch)
    expected = join([loaded.answer(image, golden.run) for image in images(batch)])
    assert list(answers.outputs) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(answers.outputs[name], values)


def test_what_the_command_writes(invoke: Callable[..., Any], model: Path, folder: Path) -> None:
    out = model.with_name("by_command")
    arguments = ("--array", "4x6", "--lanes", "2", "--calibration", model.with_name("images.npz"))
    data = json.loads(invoke("compile", model, *arguments, "--out", out, "--json").stdout)
    assert len(data["segments"]) == 2
    mine, its = ({p.name for p in f.rglob("*") if p.is_file()} for f in (folder, out))
    assert mine == its and "program.bin" not in {p.name for p in out.iterdir()}
    for name in ("segment1/program.bin", "segment2/weights.bin", "host1.onnx", "model.json"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    answer = invoke("compile", model, *arguments, "--out", out)
    assert "segment 2 of 2" in answer.stdout
    assert "CONV" in invoke("disasm", out / "segment2").stdout
    assert "name one" in invoke("disasm", out).stderr
    assert invoke("compile", model, *arguments, "--out", out, "--strict").code == 2


def test_one_program_takes_the_place_of_several(
    folder: Path, quantised: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    loaded = polymap.load(quantised)
    bundle = polymap.bundle(loaded, polymap.fit(loaded, CONFIG))
    bundle.save(tmp_path / "copy")
    (program,) = Bundle.load(tmp_path / "copy").programs
    assert program == bundle.programs[0] == Program.load(tmp_path / "copy")
    assert _files(tmp_path / "copy") == {
        *("program.bin", "weights.bin", "manifest.json", "model.json", "constants.npz"),
        *("host0.onnx", "host1.onnx"),
    }


def test_several_programs_take_the_place_of_one(
    model: Path, folder: Path, batch: dict, quantised: Path, tmp_path: Path
) -> None:
    one, several = polymap.load(quantised), polymap.load(model, batch)
    polymap.bundle(one, polymap.fit(one, CONFIG)).save(tmp_path)
    (tmp_path / "host_notes.onnx").write_text("the user's")
    polymap.bundle(several, polymap.fit(several, CONFIG)).save(tmp_path)
    assert _files(tmp_path) == _files(folder) | {"host_notes.onnx"}


def _files(folder: Path) -> set[str]:
    """And the folders."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_compile_of_the_api_names_bundle(model: Path, batch: dict) -> None:
    with pytest.raises(polymap.InputError, match=r"has 2 programs.*polymap\.bundle"):
        polymap.compile(polymap.load(model, batch), CONFIG)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("host1.onnx", "host1.onnx is not that of model.json"),
        ("segment2/manifest.json", "segment2/manifest.json is not that of model.json"),
        ("segment1/program.bin", "corrupted"),
        ("model.json", "changed by hand"),
    ],
)
def test_damaged_files(folder: Path, tmp_path: Path, name: str, fault: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    path = tmp_path / "copy" / name
    data = bytearray(path.read_bytes())
    at = data.index(b'"segments": 2') + 12 if name == "model.json" else len(data) - 3
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ProgramError, match=fault):
        Bundle.load(tmp_path / "copy")


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "host2.onnx").unlink()
    with pytest.raises(ProgramError, match=r"cannot read .*host2\.onnx: No such file"):
        Bundle.load(tmp_path / "copy")
