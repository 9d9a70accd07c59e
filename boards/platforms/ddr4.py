"""DDR4 on boards of Xilinx: what all of its channels have in common."""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, DiffPairs, Pins, PinsN, Resource, Subsignal

_DIFFERENTIAL = Attrs(IOSTANDARD="DIFF_SSTL12_DCI")
_DATA = Attrs(IOSTANDARD="POD12_DCI", PRE_EMPHASIS="RDRV_240", EQUALIZATION="EQ_LEVEL2")
_STROBES = Attrs(IOSTANDARD="DIFF_POD12", PRE_EMPHASIS="RDRV_240", EQUALIZATION="EQ_LEVEL2")


def channel(number: int, *, dm_n: str = "", **pins: str) -> Resource:
    """A channel, with the subsignals of amaranth_boards' ``DDR4Resource``.

    That one asks for ``dm``, which modules of four-bit devices do not have.
    """
    signals: list[Any] = [
        Subsignal("rst", PinsN(pins["rst_n"], dir="o"), Attrs(IOSTANDARD="LVCMOS12")),
        Subsignal("clk", DiffPairs(pins["clk_p"], pins["clk_n"], dir="o"), _DIFFERENTIAL),
        Subsignal("clk_en", Pins(pins["clk_en"], dir="o")),
        *(
            Subsignal(name, PinsN(pins[f"{name}_n"], dir="o"))
            for name in ("cs", "we", "ras", "cas", "act")
        ),
        *(Subsignal(name, Pins(pins[name], dir="o")) for name in ("a", "ba", "bg", "odt")),
        Subsignal("dqs", DiffPairs(pins["dqs_p"], pins["dqs_n"], dir="io"), _STROBES),
        Subsignal("dq", Pins(pins["dq"], dir="io"), _DATA),
    ]
    if dm_n:
        signals.append(Subsignal("dm", PinsN(dm_n, dir="o"), _DATA))
    return Resource("ddr4", number, *signals, Attrs(IOSTANDARD="SSTL12_DCI", SLEW="FAST"))
