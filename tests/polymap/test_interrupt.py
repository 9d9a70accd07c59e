"""Real commands are stopped at any moment: one line, exit code 130, nothing half, no orphans."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dse.assembly.program import Program
from tests.polymap.interrupting import Ended, after, interrupted, running

SMALL = ("--array", "4x4", "--lanes", "2")


def check(ended: Ended, number: int = signal.SIGINT) -> None:
    assert ended.code == 128 + number, ended
    assert ended.stderr == "polymap: interrupted\n"
    assert ended.stdout == ""
    assert ended.left == ()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_packages_are_imported(quantised: Path, number: signal.Signals) -> None:
    check(interrupted("check", quantised, when=after(0.2), number=number), number)


BUILD = """
import sys
from pathlib import Path
from dse.process import interrupt
from hw.lib.emit import Verilog
from sim.verilator import build

TEXT = "module top(input clk, output reg q); always @(posedge clk) q <= ~q; endmodule\\n"
VERILOG = Verilog(top="top", text=TEXT, modules=("top",), ports=(), hierarchical=False)
folder = Path(sys.argv[1])
(folder / "main.cpp").write_text('#include "Vtop.h"\\nint main() { Vtop top; top.eval(); }')


def main():
    build(VERILOG, sources=[folder / "main.cpp"], folder=folder / "builds")


interrupt.command(main, "polymap")
"""


@pytest.mark.parametrize("group", [False, True])
def test_while_verilator_builds(tmp_path: Path, group: bool) -> None:
    ended = interrupted(tmp_path, when=running("cc1plus"), group=group, program=("-c", BUILD))
    check(ended)
    assert {path.suffix for path in (tmp_path / "builds").iterdir()} == {".lock"}


@pytest.mark.slow
@pytest.mark.parametrize("program", ["verilator_bin", "cc1plus"])
def test_while_the_overlay_is_built(
    quantised: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setenv("POLYMAP_BUILD", str(tmp_path / "build"))
    out = tmp_path / "out"
    arguments = ("simulate", quantised, "--input", images, *SMALL, "--out", out)
    check(interrupted(*arguments, when=running(program)))
    assert list(out.iterdir()) == []
    left = {path.suffix for path in (tmp_path / "build" / "verilator").iterdir()}
    assert left <= {"", ".lock"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_at_any_moment(invoke: Callable[..., object], tmp_path: Path, seed: int) -> None:
    """An old program stays whole, or is replaced as a whole."""
    rng = random.Random(seed)
    digits = Path(__file__).parents[2] / "examples" / "digits"
    arguments = ("compile", digits / "digits.onnx", "--calibration", digits / "calibration.npz")
    out = ("--out", tmp_path)
    invoke(*arguments, *SMALL, *out)
    before = Program.load(tmp_path)
    flow = tmp_path / "flow.json"
    flow.write_text('{"layers": {"stem.conv": {"dataflow": "IS"}}}')
    when = after(rng.uniform(0, 4))
    ended = interrupted(*arguments, *SMALL, *out, "--mapping", flow, when=when, group=seed % 2 == 0)
    if ended.code == 0:
        assert ended.left == ()
        assert Program.load(tmp_path) != before
    else:
        check(ended)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"program.bin", "weights.bin", "manifest.json", "flow.json"}
        assert Program.load(tmp_path) == before


def test_full_disk(invoke: Callable[..., object], quantised: Path, tmp_path: Path) -> None:
    """A limit of the files' size stands for a disk that is full."""
    invoke("compile", quantised, *SMALL, "--out", tmp_path)
    before, files = Program.load(tmp_path), {one.name for one in tmp_path.iterdir()}
    done = subprocess.run(
        [
            *("prlimit", "--fsize=100", sys.executable, "-m", "polymap.cli", "compile"),
            *map(str, (quantised, "--array", "6x4", "--lanes", 1, "--out", tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert done.stdout == ""
    file = tmp_path / "program.bin"
    assert done.stderr == f"polymap compile: {file}: File too large: nothing was written\n"
    assert Program.load(tmp_path) == before
    assert {one.name for one in tmp_path.iterdir()} == files


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("seconds", range(1, 11))
def test_while_processes_search(tmp_path: Path, seconds: int, group: bool) -> None:
    model = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
    arguments = ("explore", model, "--board", "u200", "--dsp", 300, "--out", tmp_path)
    ended = interrupted(*arguments, when=after(seconds), group=group)
    if ended.code:
        check(ended)
        assert list(tmp_path.iterdir()) == []
    assert ended.left == ()
