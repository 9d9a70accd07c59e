"""The overlay on a ULX3S: pins and clock around what stands alone."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from boards.ecp5.toolchain import Ecp5
from hw.lib.emit import CLOCK, RESET, Verilog

DEVICE = Ecp5(size="85", package="CABGA381", speed=6)
CLOCK_HZ = 25_000_000  # of the board's oscillator, which clocks the overlay
BAUD = 1_000_000  # of the board's FT231X, which goes up to three times that
DIVISOR = CLOCK_HZ // BAUD
MEMORY_BYTES = 1 << 17
TOP = "ulx3s"
ARRAY = "standalone.overlay.conv.array."
"""What the names of the array's cells begin with."""


class Ulx3sDesign(wiring.Component):
    """`Standalone`, emitted, on the board's serial line; the first LED blinks while it is clocked.

    Registers start at their initial values with the configuration, so there is no reset.

    Parameters
    ----------
    verilog : of `Standalone`.
    """

    def __init__(self, *, verilog: Verilog) -> None:
        self._verilog = verilog
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        timer = Signal(CLOCK_HZ.bit_length())
        m.d.sync += timer.eq(timer + 1)
        m.d.comb += led.o.eq(timer[-1])
        m.submodules.standalone = Instance(
            self._verilog.top,
            **{f"i_{CLOCK}": ClockSignal(), f"i_{RESET}": Const(0, 1)},
            i_i_line=rx.i,
            o_o_line=tx.o,
            o_o_interrupt=Signal(name="interrupt"),
        )
        return m


def project(verilog: Verilog) -> tuple[dict[str, str], str]:
    """Sources of the whole design by file name, and its pins and clock as an LPF file."""
    plan = ULX3S_85F_Platform().build(Ulx3sDesign(verilog=verilog), name=TOP, do_build=False)
    files = {
        name: data.decode() if isinstance(data, bytes) else data
        for name, data in plan.files.items()
    }
    sources = {f"{verilog.top}.v": verilog.text, f"{TOP}.il": files[f"{TOP}.il"]}
    return sources, files[f"{TOP}.lpf"]
