"""The overlay as Verilog, with a side-car that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boards import packaging
from boards.board import Board
from boards.estimate import breakdown
from boards.realise import realise
from dse.explore.resources import Resources
from dse.files.writing import writing
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import ISA_VERSION, OverlayConfig
from hw.lib.emit import Verilog, emit
from sim import verilator
from sim.fast_overlay import TOP, emit_overlay

CLOCK, RESET = "ap_clk", "ap_rst_n"
VERILOG_FILE, SIDE_CAR_FILE = f"{TOP}.v", f"{TOP}.json"


@dataclass(frozen=True, kw_only=True)
class Elaborated:
    """An overlay's Verilog and what it was made from.

    Members
    -------
    board : that it is for, or None: simulators and any device.
    primitive : what its PEs are made of.
    blocks : what each part takes of a device, see boards/estimate.py.
    note : what is not as it should be on the board; empty: nothing.
    """

    config: OverlayConfig
    board: Board | None
    verilog: Verilog
    primitive: Primitive
    blocks: Mapping[str, Resources]
    note: str = ""

    @property
    def resources(self) -> Resources:
        """What the whole overlay takes of a device."""
        return Resources.total(self.blocks.values())

    def to_json(self) -> dict[str, Any]:
        """The side-car: whatever a build or a driver needs to know of the design."""
        return {
            "top": self.verilog.top,
            "isa_version": ISA_VERSION,
            "configuration": self.config.to_json(),
            "configuration_hash": self.config.hash,
            "verilog_sha256": self.verilog.sha256,
            "modules": list(self.verilog.modules),
            "ports": [
                {
                    "name": port.name,
                    "direction": "output" if port.output else "input",
                    "width": port.width,
                }
                for port in self.verilog.ports
            ],
            "board": None if self.board is None else self.board.to_json(),
            "primitive": asdict(self.primitive),
            "resources": self.resources.to_json(),
            "blocks": {name: part.to_json() for name, part in self.blocks.items()},
            "note": self.note,
        }

    def lint(self) -> str:
        """ "clean", or why the Verilog was not checked; ToolError if it has a fault."""
        try:
            verilator.verilator()
        except verilator.ToolError as error:
            return f"not checked: {error}"
        verilator.lint(self.verilog)
        return "clean"

    def save(self, folder: str | Path) -> None:
        """Writes ``polymap.v`` and ``polymap.json``."""
        with writing(folder) as files:
            files.text(VERILOG_FILE, self.verilog.text)
            files.json(SIDE_CAR_FILE, self.to_json())


def elaborate(config: OverlayConfig, *, board: Board | None = None) -> Elaborated:
    """The Verilog of an overlay.

    For a board it is made of its device's primitives, and refused if it cannot fit; otherwise it
    suits simulators and any device.
    """
    if board is None:
        return Elaborated(
            config=config,
            board=None,
            verilog=emit_overlay(config),
            primitive=BEHAVIOURAL,
            blocks=breakdown(config),
        )
    real = realise(config, board)
    return Elaborated(
        config=config,
        board=board,
        verilog=emit(real.overlay(), TOP, clock=CLOCK, reset=RESET),
        primitive=real.primitive,
        blocks=real.blocks,
        note=real.note,
    )


def package(made: Elaborated, folder: str | Path) -> tuple[Path, ...]:
    """Writes all that the tools of the overlay's board need, and the side-car; the files."""
    if made.board is None:
        raise ValueError("an overlay of no board has no package")
    dies = [die for die, columns in enumerate(made.board.dies(made.config)) for _ in columns]
    side_car = {SIDE_CAR_FILE: made.to_json()}
    return packaging.package(made.board, made.verilog, folder, dies=dies, documents=side_car)
