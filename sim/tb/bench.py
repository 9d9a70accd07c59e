"""The overlay between cocotbext-axi's memories and an AXI4-Lite host: runs one job."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiRamRead, AxiReadBus

from hw.isa.register_map import REGISTERS, WEIGHT_BASES, Control
from sim.fast.simulated_run import Job

JOB = "POLYMAP_JOB"
RESULT = "POLYMAP_RESULT"
MEMORY_BASE = 0x40_0000_0000
PAGE = 4096


def stalls(percent: int, seed: int) -> Iterator[bool]:
    """An endless sequence of pauses."""
    source = random.Random(seed)
    while True:
        yield source.randrange(100) < percent


class OverlayBench:
    """Clock, reset, the memory behind all masters, and the host.

    Parameters
    ----------
    dut : the emitted overlay.
    size : bytes of memory from ``MEMORY_BASE`` on.
    stall : percent of cycles in which a channel pauses.
    seed : of the pauses.
    weight_ports : of the overlay.
    """

    def __init__(
        self, dut: Any, *, size: int, stall: int = 0, seed: int = 1, weight_ports: int = 1
    ) -> None:
        self.dut = dut
        Clock(dut.ap_clk, 10, unit="ns").start()
        common = {"clock": dut.ap_clk, "reset": dut.ap_rst_n, "reset_active_level": False}
        self.memory = AxiRam(AxiBus.from_prefix(dut, "m_axi_gmem0"), size=size, **common)
        ports = [
            AxiRamRead(
                AxiReadBus.from_prefix(dut, f"m_axi_gmem{1 + port}"),
                size=size,
                mem=self.memory.mem,
                **common,
            )
            for port in range(weight_ports)
        ]
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), **common)
        write, read = self.memory.write_if, self.memory.read_if
        channels = (
            *(write.aw_channel, write.w_channel, write.b_channel),
            *(channel for ram in (read, *ports) for channel in (ram.ar_channel, ram.r_channel)),
        )
        if stall:
            for number, channel in enumerate(channels):
                channel.set_pause_generator(stalls(stall, 100 * seed + number))

    async def reset(self) -> None:
        """Resets the overlay."""
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, 16)
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, 4)

    async def write_register(self, name: str, value: int) -> None:
        """Writes all words of a register."""
        register = REGISTERS[name]
        for word in range(register.words):
            await self.host.write_dword(
                register.offset + 4 * word, (value >> 32 * word) & 0xFFFFFFFF
            )

    async def read_register(self, name: str) -> int:
        """Reads all words of a register."""
        register = REGISTERS[name]
        value = 0
        for word in range(register.words):
            value |= (await self.host.read_dword(register.offset + 4 * word)) << 32 * word
        return value

    async def run(self, *, limit: int) -> dict[str, int]:
        """Starts a run and waits for its interrupt; returns all registers."""
        await self.write_register("global_interrupt_enable", 1)
        await self.write_register("interrupt_enable", 1)
        await self.write_register("control", 1 << Control.START)
        if not int(self.dut.interrupt.value):
            await with_timeout(RisingEdge(self.dut.interrupt), 10 * limit, "ns")
        await self.write_register("interrupt_status", 1)
        return {name: await self.read_register(name) for name in REGISTERS}


@cocotb.test
async def run_job(dut: Any) -> None:
    """Runs the job in file ``$POLYMAP_JOB``; its results go to file ``$POLYMAP_RESULT``."""
    job: Job = pickle.loads(Path(os.environ[JOB]).read_bytes())
    offsets: dict[str, int] = {}
    size = PAGE
    for name, length in job.sizes.items():
        offsets[name] = size
        size += -(-length // PAGE) * PAGE + PAGE
    size = 1 << size.bit_length()  # the memory decodes addresses modulo its size
    bench = OverlayBench(
        dut,
        size=size,
        stall=job.timing.stall,
        seed=job.timing.seed,
        weight_ports=sum(name in job.regions for name in WEIGHT_BASES),
    )
    await bench.reset()
    for name, region in job.regions.items():
        bench.memory.write(offsets[name], region)
    await _set_up(bench, job, offsets)
    if job.cut is not None:
        bench.memory.write(offsets["input"], job.inputs[0])
        await bench.write_register("control", 1 << Control.START)
        await ClockCycles(dut.ap_clk, job.cut)
        await bench.reset()
        await _set_up(bench, job, offsets)
    results = []
    for data in job.inputs:
        bench.memory.write(offsets["input"], data)
        registers = await bench.run(limit=min(job.limit, 1 << 24))
        output = bytes(bench.memory.read(offsets["output"], job.output_bytes))
        results.append((output, registers))
    Path(os.environ[RESULT]).write_bytes(pickle.dumps(results))


async def _set_up(bench: OverlayBench, job: Job, offsets: dict[str, int]) -> None:
    addresses = {name: MEMORY_BASE + offset for name, offset in offsets.items()}
    for name, value in job.setup.settings(addresses).items():
        await bench.write_register(name, value)
