"""cocotb: whole programs through the frontend, against memory with random stalls and errors."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import (
    AxiBus,
    AxiLiteBus,
    AxiLiteMaster,
    AxiRamRead,
    AxiRamWrite,
    AxiReadBus,
    SparseMemory,
)

from hw.bus.registers import REGISTERS
from hw.config import OverlayConfig
from hw.isa import Base, Error, Opcode, encode

CONFIG = OverlayConfig.from_json(eval(os.environ["CONFIG"]))
SIZE = 1 << 48
BASES = {
    Base.PROGRAM: 0x7_0000_0000,
    Base.WEIGHTS: 0x9_8000_1000,
    Base.INPUT: 0xA_0000_0040 * 4,
    Base.OUTPUT: 0xB_0000_0000,
}


def stalls(rate: float, rng: random.Random) -> Iterator[bool]:
    """Pause in a share ``rate`` of the cycles."""
    while True:
        yield rng.random() < rate


class Bench:
    """The design, its memory, the host, and stand-ins for CONV and POOL."""

    def __init__(self, dut: Any, *, rate: float = 0.0, seed: int = 0) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        self.memory = SparseMemory(SIZE)
        self.bad: set[int] = set()  # addresses whose pages answer with errors
        cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
        gmem0 = AxiBus.from_prefix(dut, "m_axi_gmem0")
        gmem1 = AxiReadBus.from_prefix(dut, "m_axi_gmem1")
        self.slaves = [
            AxiRamRead(gmem0.read, dut.clk, dut.rst, size=SIZE, mem=self.memory),
            AxiRamWrite(gmem0.write, dut.clk, dut.rst, size=SIZE, mem=self.memory),
            AxiRamRead(gmem1, dut.clk, dut.rst, size=SIZE, mem=self.memory),
        ]
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), dut.clk, dut.rst)

    async def reset(self) -> None:
        self.dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    async def write(self, name: str, value: int) -> None:
        register = REGISTERS[name]
        for word in range(register.words):
            await self.host.write_dword(register.offset + 4 * word, value >> 32 * word & 0xFFFFFFFF)

    async def read(self, name: str) -> int:
        register = REGISTERS[name]
        words = [
            await self.host.read_dword(register.offset + 4 * word) for word in range(register.words)
        ]
        return sum(word << 32 * n for n, word in enumerate(words))


@cocotb.test()
async def registers(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    assert await bench.read("control") == 4
    assert await bench.read("configuration") == CONFIG.hash
    print("OK")
