"""A simulated board on a serial port of this machine."""

from __future__ import annotations

import os
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.bridge.standalone import Standalone
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import OverlayConfig
from hw.lib.emit import Verilog, emit
from hw.overlay import Overlay
from sim.verilator import build

CLOCK_HZ = 25_000_000
DIVISOR = 4  # of the simulated line: the fewest cycles a byte


def standalone(
    config: OverlayConfig, *, memory_bytes: int, primitive: Primitive = BEHAVIOURAL
) -> Verilog:
    """What a board holds, with a fast serial line; registers are as wide as its memory needs."""
    bits = memory_bytes.bit_length()
    overlay = Overlay(config=config, primitive=primitive, address_bits=bits)
    board = Standalone(
        config=config,
        overlay=overlay,
        memory_bytes=memory_bytes,
        divisor=DIVISOR,
        clock_hz=CLOCK_HZ,
    )
    return emit(board, "standalone")


@contextmanager
def board(verilog: Verilog) -> Iterator[str]:
    """The name of the port behind which the design runs."""
    simulation = build(
        verilog,
        sources=[Path(__file__).with_name("serial_bench.cpp")],
        headers={"line.h": f"constexpr unsigned DIVISOR = {DIVISOR};\n"},
    )
    inner, outer = os.openpty()
    tty.setraw(outer)
    process = subprocess.Popen([simulation], stdin=inner, stdout=inner)
    try:
        yield os.ttyname(outer)
    finally:
        process.kill()
        process.wait()
        os.close(inner)
        os.close(outer)
