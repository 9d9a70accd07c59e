"""How fast the array alone simulates: ``python -m benchmarks.speed 32x196``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dse.process import interrupt
from hw.conv.array.array import Array
from hw.isa.config import OverlayConfig
from hw.lib.emit import CLOCK, Verilog, emit
from sim.verilator import build

RESET = "rst_n"  # registered inside: Verilator evaluates what an input reaches in every step
SOURCE = Path(__file__).parent / "speed.cpp"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds to emit and to build, and cycles per second (of processor time) of random inputs."""

    emit_seconds: float
    build_seconds: float
    cycles_per_second: float


def measure(config: OverlayConfig, *, cycles: int = 3000, folder: Path | None = None) -> Speed:
    """Emits, builds and runs the array; ``folder`` keeps the build, else it is made anew."""
    start = time.monotonic()
    verilog = emit(Array(config=config), "array", reset=RESET)
    emitted = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="polymap-") as scratch:
        executable = build(
            verilog,
            sources=[SOURCE],
            headers={"inputs.h": inputs_header(verilog)},
            hierarchical=True,
            folder=folder or Path(scratch),
        )
        built = time.monotonic()
        command = [str(executable), str(cycles)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Speed(
        emit_seconds=emitted - start,
        build_seconds=built - emitted,
        cycles_per_second=float(done.stdout),
    )


def inputs_header(verilog: Verilog) -> str:
    """What the C++ side has to know of the ports."""
    inputs = [port for port in verilog.ports if not port.output and port.name not in (CLOCK, RESET)]
    calls = " ".join(f"random(&top.{port.name}, {port.width});" for port in inputs)
    lines = [
        "#pragma once",
        f"#define CLOCK {CLOCK}",
        f"#define RESET {RESET}",
        f"#define RANDOMISE(top, random) {calls}",
    ]
    return "\n".join([*lines, ""])


def main() -> int:
    """Prints the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("array", help="rows and columns, such as 32x196")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--cycles", type=int, default=10000)
    arguments = parser.parse_args()
    rows, columns = map(int, arguments.array.split("x"))
    config = OverlayConfig(rows=rows, columns=columns, lanes=arguments.lanes)
    speed = measure(config, cycles=arguments.cycles)
    print(
        f"{rows} x {columns}, {arguments.lanes} lanes: emitted in {speed.emit_seconds:.0f} s, "
        f"built in {speed.build_seconds:.0f} s, {speed.cycles_per_second:.0f} cycles a second"
    )
    return 0


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "speed"))
