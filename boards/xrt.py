"""Alveo cards: the overlay as an RTL kernel for XRT, linked by Vitis."""

from __future__ import annotations

from dataclasses import dataclass

from boards.board import U200, U250, Board
from boards.kernel import BUSES, KERNEL, Master, arguments
from boards.tcl import script, settings

UNIT = "polymap_1"  # the one compute unit of the linked design


@dataclass(frozen=True, kw_only=True)
class Shell:
    """The platform that a card runs, and the memory of each of the overlay's masters."""

    platform: str
    banks: dict[Master, str]


_BANKS = {Master.GMEM0: "DDR[1]", Master.GMEM1: "DDR[2]"}
SHELLS = {
    U200.name: Shell(platform="xilinx_u200_gen3x16_xdma_2_202110_1", banks=_BANKS),
    U250.name: Shell(platform="xilinx_u250_gen3x16_xdma_4_1_202210_1", banks=_BANKS),
}


def files(board: Board) -> dict[str, str]:
    """Name -> text of what packages and links the kernel."""
    shell = SHELLS[board.name]
    return {
        "package_kernel.tcl": script("package_kernel.tcl"),
        "settings.tcl": settings(
            {
                "part": board.part,
                "kernel": KERNEL,
                "buses": BUSES,
                "arguments": [
                    [a.name, f"{a.offset:#05x}", a.bits, a.master.value if a.master else "", a.text]
                    for a in arguments()
                ],
            }
        ),
        "link.cfg": link_configuration(board, shell),
        "build.sh": _BUILD,
    }


def link_configuration(board: Board, shell: Shell) -> str:
    """The linker's configuration: platform, clock, and which memory each master reaches."""
    lines = [
        f"platform={shell.platform}",
        "save-temps=1",
        "",
        "[clock]",
        f"freqHz={board.clock_hz:.0f}:{UNIT}",
        "",
        "[connectivity]",
        f"nk={KERNEL}:1:{UNIT}",
        *(f"sp={UNIT}.{master.value}:{bank}" for master, bank in shell.banks.items()),
        "",
        "[vivado]",
        "prop=run.impl_1.STEPS.PHYS_OPT_DESIGN.IS_ENABLED=1",
        "",
    ]
    return "\n".join(lines)


_BUILD = f"""#!/bin/sh
# Verilog to build/polymap.xclbin; needs Vivado and Vitis on the path and the platform installed.
set -e
cd "$(dirname "$0")"
vivado -mode batch -source package_kernel.tcl
v++ --link --target hw --config link.cfg --temp_dir build/link \\
    --output build/polymap.xclbin build/{KERNEL}.xo
"""
