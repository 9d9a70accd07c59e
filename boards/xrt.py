"""Alveo cards: the overlay as an RTL kernel for XRT, linked by Vitis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boards.board import U200, U250, Board
from boards.channels import master_channels
from boards.kernel import KERNEL, arguments, buses
from boards.tcl import script, settings

UNIT = "polymap_1"  # the one compute unit of the linked design


@dataclass(frozen=True, kw_only=True)
class Shell:
    """The platform that a card runs; ``memory``: what it calls its channels, "DDR" or "HBM"."""

    platform: str
    memory: str


SHELLS = {
    U200.name: Shell(platform="xilinx_u200_gen3x16_xdma_2_202110_1", memory="DDR"),
    U250.name: Shell(platform="xilinx_u250_gen3x16_xdma_4_1_202210_1", memory="DDR"),
}


def files(board: Board, weight_ports: int, dies: Sequence[int] = ()) -> dict[str, str]:
    """Name -> text of what packages and links the kernel."""
    return {
        "package_kernel.tcl": script("package_kernel.tcl"),
        "floor_plan.tcl": script("floor_plan.tcl"),
        "settings.tcl": settings(
            {
                "part": board.part,
                "kernel": KERNEL,
                "dies": dies,
                "buses": buses(weight_ports),
                "arguments": [
                    [a.name, f"{a.offset:#05x}", a.bits, a.master or "", a.text]
                    for a in arguments(weight_ports)
                ],
            }
        ),
        "link.cfg": link_configuration(board, weight_ports),
        "build.sh": _BUILD,
    }


def link_configuration(board: Board, weight_ports: int) -> str:
    """The linker's configuration: platform, clock, and which memory channel each master reaches."""
    shell = SHELLS[board.name]
    channels = master_channels(weight_ports, board.memory_channels)
    lines = [
        f"platform={shell.platform}",
        "save-temps=1",
        "",
        "[clock]",
        f"freqHz={board.clock_hz:.0f}:{UNIT}",
        "",
        "[connectivity]",
        f"nk={KERNEL}:1:{UNIT}",
        *(f"sp={UNIT}.{name}:{shell.memory}[{k}]" for name, k in channels.items()),
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
    --vivado.prop "run.impl_1.STEPS.PLACE_DESIGN.TCL.PRE=$PWD/floor_plan.tcl" \\
    --output build/polymap.xclbin build/{KERNEL}.xo
"""
