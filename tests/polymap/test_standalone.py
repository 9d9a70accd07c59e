"""The overlay with its own memory and a serial line: `polymap run` on a simulated board."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymap
from boards.runtime import serial_link
from boards.runtime.link import HostError
from boards.runtime.serial_link import SerialLink
from dse.compile.compiler import compile_network
from hw.conv.array.primitive import Primitive
from hw.isa.register_map import REGISTERS
from sim import golden
from tests.boards.host_stand_ins import CONFIG, network
from tests.rtl.serial_board import CLOCK_HZ, board, standalone

pytestmark = [pytest.mark.rtl, pytest.mark.slow]

MEMORY_BYTES = 1 << 13
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
MODEL = Path(__file__).parents[1] / "hw" / "conv" / "array" / "mult18x18d.v"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated board is slower than a real one."""
    monkeypatch.setattr(serial_link, "TIMEOUT_S", 60.0)


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with board(standalone(CONFIG, memory_bytes=MEMORY_BYTES)) as name:
        yield name


def test_a_board_tells_what_it_is_and_keeps_what_is_written(port: str) -> None:
    data = np.random.default_rng(1).integers(0, 256, 2100).astype(np.uint8).tobytes()
    with SerialLink.open(port) as link:
        assert link.clock_hz == CLOCK_HZ
        assert link.read_register(REGISTERS["configuration"].offset) == CONFIG.hash
        link.write(64, data)
        assert link.read(64, len(data)) == data
        assert link.read(1064, 1001) == data[1000:2001]
        with pytest.raises(HostError, match="the board refused the access: it lies outside"):
            link.read(MEMORY_BYTES, 4)
        with pytest.raises(HostError, match=r"needs 8,256 bytes, the board's memory has 8,192"):
            link.place({"program": 8129, "input": 1})


def test_a_program_answers_byte_for_byte(
    port: str, invoke: Callable[..., Any], tmp_path: Path
) -> None:
    program = compile_network(network(), CONFIG)
    program.save(tmp_path / "program")
    images = np.random.default_rng(2).integers(-128, 128, (3, 5, 4, 3)).astype(np.int8)
    np.savez(tmp_path / "x.npz", x=images)
    files = ("--input", tmp_path / "x.npz", "--out", tmp_path / "out")
    answer = invoke(
        "run", tmp_path / "program", "--on", "ulx3s", "--device", port, *files, "--json"
    )
    assert answer.code == 0, answer
    with np.load(tmp_path / "out" / "outputs.npz") as outputs:
        for image, found in zip(images, outputs["y"], strict=True):
            np.testing.assert_array_equal(found, golden.run(network(), {"x": image})["y"])
    said = json.loads(answer.stdout)
    assert said["clock_mhz"] == 25
    assert len(set(said["cycles_per_image"])) == 1
    assert said["latency_ms"] == pytest.approx(said["cycles_per_image"][0] / 25e3)


def test_another_overlay_is_refused(port: str, invoke: Callable[..., Any], tmp_path: Path) -> None:
    other = dataclasses.replace(CONFIG, weight_words=128)
    compile_network(network(), other).save(tmp_path / "program")
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 5, 4, 3), np.int8))
    files = ("--input", tmp_path / "x.npz", "--out", tmp_path / "out")
    answer = invoke("run", tmp_path / "program", "--on", "ulx3s", "--device", port, *files)
    assert answer.code == 1 and answer.stderr.count("\n") == 1
    assert f"the program is for configuration {other.hash:#x}, the overlay on the card has" in (
        answer.stderr
    )


def test_the_digits_run_on_the_board_that_is_built(tmp_path: Path) -> None:
    """The gateware of `polymap build` but for its pins: elements of MULT18X18D, its memory."""
    config = polymap.configure(path=DIGITS / "ulx3s.json")
    model = polymap.load(DIGITS / "digits.onnx", DIGITS / "calibration.npz")
    polymap.bundle(model, config).save(tmp_path / "digits")
    with np.load(DIGITS / "test_images.npz") as arrays:
        images = {name: array[:4] for name, array in arrays.items()}
    np.savez(tmp_path / "x.npz", **images)
    verilog = standalone(config, memory_bytes=1 << 17, primitive=Primitive(name="mult18x18d"))
    whole = dataclasses.replace(verilog, text=f"{MODEL.read_text()}\n{verilog.text}")
    with board(whole) as port:
        answered = polymap.run(
            tmp_path / "digits", tmp_path / "x.npz", polymap.Target.ULX3S, device=port
        )
    simulated = polymap.simulate(model, tmp_path / "x.npz", config)
    assert list(answered.outputs) == list(simulated.outputs)
    for name, values in simulated.outputs.items():
        np.testing.assert_array_equal(answered.outputs[name], values)
