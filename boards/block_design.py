"""Boards without a shell: a Vivado block design with XDMA and DDR4 around the overlay."""

from __future__ import annotations

from collections.abc import Sequence

from boards.board import KCU1500, Board, BoardError
from boards.channels import master_channels
from boards.kernel import KERNEL, masters
from boards.tcl import Value, script, settings

BOARD_PARTS = {  # the files in Vivado that know the board's pins
    KCU1500.name: "xilinx.com:kcu1500:part0:1.2",
}
PCIE = "pci_express_x8"
CHANNELS = 4  # of DDR4
AXI_MHZ = 250  # user clock of a Gen3 x8 core with 256 bits: the overlay's clock
CHANNEL_BYTES = 4 << 30
WORD_BYTES = 64  # of a channel: parts of it may be written where there is no ECC (channel 1)


def channel_address(channel: int) -> int:
    """Where host and overlay find a DDR4 channel."""
    return channel * CHANNEL_BYTES


def files(board: Board, weight_ports: int, dies: Sequence[int] = ()) -> dict[str, str]:
    """Name -> text of what builds the bitstream."""
    if board.clock_hz != AXI_MHZ * 1e6:
        raise BoardError(
            f"the block design clocks the overlay at {AXI_MHZ} MHz, "
            f"board {board.name!r} asks for {board.clock_hz / 1e6:g}"
        )
    if board.memory_channels != CHANNELS:
        raise BoardError(
            f"the block design has {CHANNELS} DDR4 channels, "
            f"board {board.name!r} {board.memory_channels}"
        )
    variables: dict[str, Value] = {
        "part": board.part,
        "board_part": BOARD_PARTS[board.name],
        "kernel": KERNEL,
        "dies": dies,
        "pcie": PCIE,
        "axi_mhz": AXI_MHZ,
        "masters": masters(weight_ports),
        "memories": _memories(weight_ports),
    }
    return {
        "block_design.tcl": script("block_design.tcl"),
        "floor_plan.tcl": script("floor_plan.tcl"),
        "settings.tcl": settings(variables),
        "build.sh": _BUILD,
    }


def _memories(weight_ports: int) -> list[Value]:
    """Board interfaces of the channels in use and of their oscillators, address, size."""
    return [
        [
            f"ddr4_sdram_c{channel}",
            f"default_300mhz_clk{channel}",
            f"{channel_address(channel):#x}",
            f"{CHANNEL_BYTES >> 30}G",
        ]
        for channel in sorted(set(master_channels(weight_ports, CHANNELS).values()))
    ]


_BUILD = """#!/bin/sh
# Verilog to build/polymap.bit; needs Vivado on the path and the board's files (XilinxBoardStore).
set -e
cd "$(dirname "$0")"
vivado -mode batch -source block_design.tcl
"""
