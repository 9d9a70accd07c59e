"""What a card leaves of its device to the overlay, and what of that stays free.

A shell (Alveo) or a block design (KCU1500) holds the PCIe core, DMA and memory controllers; on the
ULX3S, `hw.bridge` holds the memory and the host's serial line.
Figures are by die, the lowest first.  DSP slices are counted in whole DSP columns, since cascades
need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DSP_HEIGHT = {"u200": 120, "u250": 96, "kcu1500": 120, "ulx3s": 156}
"""Slices of a DSP column of one die: clock regions x 24; all multipliers of an ECP5."""

USABLE = {"dsp": 1.0, "lut": 0.7, "ff": 0.5, "bram36": 0.8, "uram": 0.8}
"""Shares of what a card leaves that an overlay may take; the rest is for place and route.

Guidelines of UG1393 ("Timing Closure Considerations"), above which timing is hard to close.  It has
0.8 for DSP slices, too; ours lie in a regular array with routes between neighbours, so all are
used: an assumption that no place and route has confirmed.
"""


@dataclass(frozen=True, kw_only=True)
class Die:
    """What is left of one die (super logic region); ``dsp_columns``: whole columns of slices."""

    dsp_columns: int
    lut: int
    ff: int
    bram36: int
    uram: int


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a card leaves, die by die, and who says so."""

    dies: tuple[Die, ...]
    source: str

    def count(self, resource: str) -> int:
        """Of a resource, on all dies."""
        return sum(getattr(die, resource) for die in self.dies)


_U200_OUTER = {"dsp_columns": 19, "bram36": 720, "uram": 320}
_U250_DIE = {"dsp_columns": 29, "bram36": 500, "uram": 320}
_KCU1500_DIE = {"lut": 281_680, "ff": 563_360, "bram36": 980, "uram": 0}

LEFT: Mapping[str, Left] = {
    "u200": Left(
        dies=(
            Die(**_U200_OUTER, lut=388_160, ff=776_320),
            # The shell's die: 1,320 slices, taken as whole columns; its plan is not public.
            Die(dsp_columns=11, lut=205_440, ff=410_880, bram36=420, uram=160),
            Die(**_U200_OUTER, lut=385_440, ff=770_880),
        ),
        source="UG1702 (2025.2), Resource Availability; it names no card, but is a VU9P's, and "
        "the section beside it is of xilinx_u200_gen3x16_xdma_2",
    ),
    "u250": Left(
        dies=(
            # 2,877 slices a die, of which 29 whole columns of 96 are taken.
            Die(**_U250_DIE, lut=345_171, ff=704_801),
            Die(**_U250_DIE, lut=344_533, ff=702_517),
            Die(**_U250_DIE, lut=344_878, ff=703_253),
            Die(**_U250_DIE, lut=345_158, ff=703_761),
        ),
        source="platforminfo of xilinx_u250_xdma_201830_2, as quoted in Xtra-Computing/ThunderGP; "
        "an earlier shell than ours, whose figures were not found",
    ),
    "kcu1500": Left(
        dies=(
            Die(dsp_columns=22, **_KCU1500_DIE),
            Die(dsp_columns=22, **_KCU1500_DIE),
        ),
        source="assumed, for want of published figures: XDMA, SmartConnect and four DDR4 "
        "controllers take 100,000 LUTs, 200,000 flip-flops and 200 block RAMs, and slices of one "
        "DSP column a die",
    ),
    "ulx3s": Left(
        dies=(Die(dsp_columns=1, lut=81_000, ff=82_000, bram36=71, uram=0),),
        source="Yosys' counts of `hw.bridge`: memory of 128 KiB and the host's serial line",
    ),
}
