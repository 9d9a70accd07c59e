"""KCU1500: a Vivado block design with XDMA and DDR4 around the overlay; it has no current shell."""

from __future__ import annotations

from boards.board import Board, BoardError
from boards.kernel import KERNEL
from boards.tcl import Value, script, settings

BOARD_PART = "xilinx.com:kcu1500:part0:1.2"
PCIE = "pci_express_x8"
AXI_MHZ = 250  # user clock of a Gen3 x8 core with 256 bits: the overlay's clock
# Board interface of a channel and of its oscillator, address, size. Channel 1 has no ECC, so the
# overlay may write parts of memory that nothing has written before.
MEMORIES = (("ddr4_sdram_c1", "default_300mhz_clk1", "0x0", "4G"),)


def files(board: Board) -> dict[str, str]:
    """Name -> text of what builds the bitstream."""
    if board.clock_hz != AXI_MHZ * 1e6:
        raise BoardError(
            f"the block design clocks the overlay at {AXI_MHZ} MHz, "
            f"board {board.name!r} asks for {board.clock_hz / 1e6:g}"
        )
    variables: dict[str, Value] = {
        "part": board.part,
        "board_part": BOARD_PART,
        "kernel": KERNEL,
        "pcie": PCIE,
        "axi_mhz": AXI_MHZ,
        "memories": MEMORIES,
    }
    return {
        "block_design.tcl": script("block_design.tcl"),
        "settings.tcl": settings(variables),
        "build.sh": _BUILD,
    }


_BUILD = """#!/bin/sh
# Verilog to build/polymap.bit; needs Vivado on the path and the board's files (XilinxBoardStore).
set -e
cd "$(dirname "$0")"
vivado -mode batch -source block_design.tcl
"""
