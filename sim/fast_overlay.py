"""The overlay's Verilog and its build with the C++ harness, each made once per configuration."""

from __future__ import annotations

import functools
import hashlib
import pickle
from importlib import metadata
from pathlib import Path

import hw
from hw.isa.config import OverlayConfig
from hw.lib.emit import Verilog, emit
from hw.overlay import Overlay
from sim.cache import Cache
from sim.runner import FastSimulation
from sim.verilator import build_folder

TOP = "polymap"
VERILOG = "verilog.pickle"
HIERARCHICAL_PES = 256  # from so many on, building the columns apart pays


def emit_overlay(config: OverlayConfig) -> Verilog:
    """The overlay's Verilog, with an RTL kernel's clock and reset."""

    def make(parts: Path) -> None:
        verilog = emit(Overlay(config=config), TOP, clock="ap_clk", reset="ap_rst_n")
        (parts / VERILOG).write_bytes(pickle.dumps(verilog))

    name = f"{TOP}-{config.hash:08x}-{hardware_hash()}"
    cache = Cache(build_folder())
    entry = cache.find(name) or cache.keep(name, make)
    verilog: Verilog = pickle.loads((entry / VERILOG).read_bytes())
    return verilog


def build_overlay(config: OverlayConfig, *, waves: bool = False) -> FastSimulation:
    """The overlay with the C++ harness, ready to run."""
    return FastSimulation(
        emit_overlay(config),
        tensor_bytes=config.tensor_bytes,
        waves=waves,
        hierarchical=config.rows * config.columns >= HIERARCHICAL_PES,
    )


@functools.cache
def hardware_hash() -> str:
    """A hash of all that the Verilog depends on beside the configuration."""
    folder = Path(hw.__path__[0])
    digest = hashlib.sha256(metadata.version("amaranth").encode())
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0{file.read_text()}\0".encode())
    return digest.hexdigest()[:16]
