"""An overlay as a bitstream for a ULX3S."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boards.board import BoardError, DeviceFamily
from boards.ecp5 import toolchain
from boards.ecp5.floor_plan import array_sites
from boards.ecp5.timing_report import Routed, read
from boards.ecp5.ulx3s_design import (
    ARRAY,
    CLOCK_HZ,
    DEVICE,
    DIVISOR,
    MEMORY_BYTES,
    TOP,
    project,
)
from boards.realise import Realisation
from dse.files.writing import writing
from dse.process.progress import Progress
from hw.bridge.standalone import Standalone
from hw.isa.config import ISA_VERSION
from hw.isa.errors import FAILURE, PolymapError
from hw.lib.emit import Verilog, emit

BITSTREAM_FILE, BUILD_FILE = "polymap.bit", "build.json"
VERILOG_FILE, CONSTRAINTS_FILE = "standalone.v", "ulx3s.lpf"
BUILD_VERSION = 1


class TimingError(PolymapError, RuntimeError):
    """A routed design is slower than the clock of its board."""

    exit_code = FAILURE


@dataclass(frozen=True, kw_only=True)
class Built:
    """A placed and routed overlay, its memory and bridge.

    Members
    -------
    routed : cells taken, the clock rate of the static timing analysis, and the critical path.
    clock_hz : that the design runs at.
    bitstream : for the device; the same for the same configuration, seed and tools.
    tools : versions of the packages that made it.
    """

    real: Realisation
    verilog: Verilog
    constraints: str
    routed: Routed
    clock_hz: int
    bitstream: bytes
    tools: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Of the bitstream."""
        return hashlib.sha256(self.bitstream).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What was built, of what, and how fast it is."""
        config = self.real.config
        return {
            "version": BUILD_VERSION,
            "board": self.real.board.name,
            "device": DEVICE.name,
            "isa_version": ISA_VERSION,
            "configuration": config.to_json(),
            "configuration_hash": config.hash,
            "memory_bytes": MEMORY_BYTES,
            "clock_mhz": self.clock_hz / 1e6,
            "routed_mhz": self.routed.clock_mhz,
            "seed": self.routed.seed,
            "used": {name: list(counts) for name, counts in self.routed.used.items()},
            "critical_path": [asdict(step) for step in self.routed.path],
            "estimate": self.real.resources.to_json(),
            "note": self.real.note,
            "tools": dict(self.tools),
            "verilog_sha256": self.verilog.sha256,
            "bitstream_sha256": self.sha256,
        }

    def save(self, folder: Path) -> None:
        """Writes bitstream, sources, pins and ``build.json``."""
        with writing(folder) as files:
            with files.open(BITSTREAM_FILE) as stream:
                stream.write(self.bitstream)
            files.text(VERILOG_FILE, self.verilog.text)
            files.text(CONSTRAINTS_FILE, self.constraints)
            files.json(BUILD_FILE, self.to_json())


def build(
    real: Realisation, *, seed: int, progress: Progress, folder: Path = toolchain.CACHE
) -> Built:
    """The bitstream of an overlay; TimingError if it is slower than its clock.

    ``folder`` keeps the netlist, with which every seed begins.
    """
    require_flow(real.board.family, real.board.name)
    tools = toolchain.tools()
    progress.stage("elaborating")
    verilog = emit(
        Standalone(
            config=real.config,
            overlay=real.overlay(),
            memory_bytes=MEMORY_BYTES,
            divisor=DIVISOR,
            clock_hz=CLOCK_HZ,
        ),
        "standalone",
    )
    sources, constraints = project(verilog)
    sites = array_sites(real.config, ARRAY)
    mapped = toolchain.netlist(sources, TOP, sites=sites, progress=progress, folder=folder)
    routing = toolchain.routed(
        mapped,
        device=DEVICE,
        seed=seed,
        aim_mhz=CLOCK_HZ / 1e6,
        placement=toolchain.CellPlacement.WIRES,
        progress=progress,
        constraints=constraints,
    )
    found = read(routing.report, seed)
    if found.clock_mhz < CLOCK_HZ / 1e6:
        raise TimingError(
            f"the routed design reaches {found.clock_mhz:.2f} MHz, the board's clock has "
            f"{CLOCK_HZ / 1e6:g}: choose another --seed, or a smaller array"
        )
    return Built(
        real=real,
        verilog=verilog,
        constraints=constraints,
        routed=found,
        clock_hz=CLOCK_HZ,
        bitstream=toolchain.bitstream(routing.configuration, progress=progress, folder=folder),
        tools=tools,
    )


def require_flow(family: DeviceFamily, name: str) -> None:
    """BoardError for a board whose bitstreams its vendor's tools make."""
    if family is not DeviceFamily.ECP5:
        raise BoardError(
            f"the bitstream of board {name!r} is made by its vendor's tools: `polymap package` "
            "writes what they need"
        )
