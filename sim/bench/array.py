"""The array alone: time to emit and to build it, and its cycles a second under random inputs.

python -m sim.bench.array 32x196 --lanes 2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hw.array.array import Array
from hw.config import OverlayConfig
from hw.emit import CLOCK, RESET, Verilog, emit
from sim.bench.clock import Stages
from sim.verilator import build

SOURCE = Path(__file__).with_name("array.cpp")


def ports_header(verilog: Verilog) -> str:
    """The ports as macros for the bench."""
    ports = [port for port in verilog.ports if port.name not in (CLOCK, RESET)]
    inputs = " ".join(f"INPUT({port.name}, {port.width})" for port in ports if not port.output)
    outputs = " ".join(f"OUTPUT({port.name})" for port in ports if port.output)
    return f"#pragma once\n#define INPUTS {inputs}\n#define OUTPUTS {outputs}\n"


def measure(
    config: OverlayConfig, *, cycles: int, hierarchical: bool = True, threads: int = 1
) -> dict[str, Any]:
    """Emits, builds and runs the array of an overlay; the bench's figures."""
    stages = Stages()
    with stages.stage("emission"):
        verilog = emit(Array(config=config), "array")
    with tempfile.TemporaryDirectory() as folder:  # not the builds' cache: the build is timed
        with stages.stage("build"):
            executable = build(
                verilog,
                sources=[SOURCE],
                headers={"ports.h": ports_header(verilog)},
                arguments=["--threads", str(threads)] if threads > 1 else [],
                hierarchical=hierarchical,
                folder=Path(folder),
            )
        with stages.stage(f"{cycles:,} cycles"):
            output = subprocess.run(
                [executable, str(cycles)], check=True, capture_output=True, text=True
            ).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("array", help="rows x columns, such as 32x196")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--flat", action="store_true", help="build all columns at once")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    rows, columns = map(int, arguments.array.split("x"))
    config = OverlayConfig(rows=rows, columns=columns, lanes=arguments.lanes)
    result = measure(
        config,
        cycles=arguments.cycles,
        hierarchical=not arguments.flat,
        threads=arguments.threads,
    )
    speeds = (arguments.cycles / result[clock] for clock in ("wall", "processor"))
    print("cycles a second: {:,.0f}, of processor time: {:,.0f}".format(*speeds))
    print(f"digest of the outputs: {result['digest']:016x}")


if __name__ == "__main__":
    main()
