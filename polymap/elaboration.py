"""The overlay as Verilog, with a side-car that says what it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boards.board import Board
from dse.files.writing import writing
from hw.array.primitive import Primitive
from hw.config import ISA_VERSION, PARAMETER_BYTES, OverlayConfig
from hw.emit import Verilog, emit
from hw.overlay import Overlay
from polymap.errors import InputError

TOP, CLOCK, RESET = "polymap", "ap_clk", "ap_rst_n"
DSP48E2 = Primitive(name="dsp48e2")  # the slice of all boards' devices
VERILOG_FILE, SIDE_CAR_FILE = f"{TOP}.v", f"{TOP}.json"

_BRAM36_BYTES, _URAM_BYTES = 4096, 32768  # without the parity bits


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What an overlay takes at least, counted from its parameters.

    ``multipliers``: of the array, one DSP slice each. ``memories``: bytes by memory.
    """

    multipliers: int
    memories: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Elaborated:
    """An overlay's Verilog and what it was made from."""

    config: OverlayConfig
    board: Board | None
    verilog: Verilog
    resources: Resources

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
            "resources": asdict(self.resources),
        }

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
    needed = resources(config)
    if board is None:
        overlay = Overlay(config=config)
    else:
        _require_room(config, needed, board)
        style = "ultra" if board.uram else None
        overlay = Overlay(config=config, ram_style=style, primitive=DSP48E2)
    verilog = emit(overlay, TOP, clock=CLOCK, reset=RESET)
    return Elaborated(config=config, board=board, verilog=verilog, resources=needed)


def resources(config: OverlayConfig) -> Resources:
    """What an overlay takes at least; two lanes have one column more, for the corrections."""
    sums = config.columns * config.accumulator_depth * config.accumulator_bits
    return Resources(
        multipliers=config.rows * (config.columns + config.lanes - 1),
        memories={
            "tensor": config.tensor_bytes,
            "weight": config.weight_words * config.weight_word_bytes,
            "accumulator": sums // 8,
            "parameter": config.parameter_depth * PARAMETER_BYTES,
        },
    )


def _require_room(config: OverlayConfig, needed: Resources, board: Board) -> None:
    array = f"{config.rows}x{config.columns}"
    if needed.multipliers > board.dsp:
        raise InputError(
            f"array {array} needs {needed.multipliers:,} DSP slices, {board.name} has "
            f"{board.dsp:,}: choose fewer rows or columns"
        )
    memory, room = sum(needed.memories.values()), _memory(board)
    if memory > room:
        largest = max(needed.memories, key=lambda name: needed.memories[name])
        raise InputError(
            f"the memories of this overlay take {memory:,} bytes, {board.name} has {room:,}: "
            f"shrink the {largest} memory, which takes {needed.memories[largest]:,}"
        )


def _memory(board: Board) -> int:
    """Bytes of block RAM and UltraRAM."""
    return board.bram36 * _BRAM36_BYTES + board.uram * _URAM_BYTES
