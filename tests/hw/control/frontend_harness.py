"""cocotb: the frontend's memory, its host, and stand-ins for the engines it does not have."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hw.isa import CONV, POOL, Error, Opcode
from hw.isa.config import OverlayConfig
from hw.isa.register_map import REGISTERS, WEIGHT_BASES, Control, Status
from tests.hw.bus.protocol import FaultyMemory
from tests.hw.control.programs import Program, random_program

CONFIG = OverlayConfig.from_json(json.loads(os.environ["CONFIG"]))
BASES = {
    "program": 0x7_0000_0080,
    "parameters": 0x8_0000_0010,
    "input": 0xA_0000_0007,
    "output": 0xB_0000_0013,
    **{
        name: 0x9_8000_1000 + (port << 36)
        for port, name in enumerate(WEIGHT_BASES[: CONFIG.weight_ports])
    },
}


class Bench:
    """The design, its memory, the host, and stand-ins for CONV, POOL and the sequencer."""

    def __init__(self, dut: Any, *, rate: float = 0.0, seed: int = 0) -> None:
        self.dut = dut
        self.rate = rate
        self.rng = random.Random(f"{os.environ.get('COCOTB_RANDOM_SEED')} {seed}")
        Clock(dut.clk, 10, unit="ns").start()
        masters = {f"m_axi_gmem{k}": k == 0 for k in range(1 + CONFIG.weight_ports)}
        self.memory = FaultyMemory(dut, masters, rate=rate, rng=self.rng)
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), dut.clk, dut.rst)
        self.started: dict[Opcode, list[int]] = {Opcode.CONV: [], Opcode.POOL: []}
        self.retired: dict[Opcode, list[int]] = {Opcode.CONV: [], Opcode.POOL: []}
        self.records: list[tuple[int, int]] = []
        self.words: list[int] = []
        self.pool_starts: list[int] = []
        self.cycle = 0
        self.outputs = 0
        self.bases = dict(BASES)
        self.stuck = False
        self.last_conv = self.last_words = 0

    async def reset(self) -> None:
        dut = self.dut
        for name in ("retire_conv", "retire_pool", "o_conv_ready", "o_pool_ready", "progress"):
            getattr(dut, name).value = 0
        for name in ("pop", "hold", "rewind", "release"):
            getattr(dut, f"weights_{name}").value = 0
        dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        for watch in self.memory.watches:
            cocotb.start_soon(watch)
        cocotb.start_soon(self.engine(Opcode.CONV, CONV))
        cocotb.start_soon(self.engine(Opcode.POOL, POOL))
        cocotb.start_soon(self.collect())
        await RisingEdge(dut.clk)

    async def engine(self, opcode: Opcode, layout: Any) -> None:
        """Accepts instructions and retires them after a while, in order."""
        dut, name = self.dut, opcode.name.lower()
        valid, ready = getattr(dut, f"o_{name}_valid"), getattr(dut, f"o_{name}_ready")
        payload, retire = getattr(dut, f"o_{name}_payload"), getattr(dut, f"retire_{name}")
        due: list[tuple[int, int]] = []
        while True:
            await FallingEdge(dut.clk)
            if dut.engine_reset.value:
                due.clear()
            now = bool(due) and due[0][0] <= self.cycle and not self.stuck
            if now and due[0][1] == self.last_conv:
                now = len(self.words) == self.last_words
            retire.value = now
            if now:
                self.retired[opcode].append(self.cycle)
                due.pop(0)
            take = self.rng.random() < 0.5
            ready.value = take
            if take and valid.value:
                tag = layout.from_bits(payload.value.to_unsigned())["tag"]
                self.started[opcode].append(int(tag))
                if opcode is Opcode.POOL:
                    self.pool_starts.append(self.cycle)
                due.append((self.cycle + self.rng.randint(1, 50), int(tag)))

    async def collect(self) -> None:
        """Counts cycles, takes weight words and parameter records."""
        dut = self.dut
        popped = [False, False]
        while True:
            await FallingEdge(dut.clk)
            self.cycle += 1
            if popped.pop(0):
                self.words.append(dut.weights_data.value.to_unsigned())
            take = self.rng.random() < 0.8 and int(dut.weights_level.value) > 0
            take = take and not dut.engine_reset.value
            dut.weights_pop.value = take
            popped.append(take)
            if dut.o_parameter_valid.value:
                value = dut.o_parameter.value.to_unsigned()
                bits = (CONFIG.parameter_depth - 1).bit_length()
                self.records.append((value & ((1 << bits) - 1), value >> bits))

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

    async def setup(self, program: Program, code: bytes | None = None) -> None:
        """Writes a program and its data to memory, and the registers."""
        self.bases = dict(BASES)
        self.bases["output"] += self.outputs << 20  # beats of an aborted run may yet arrive
        self.outputs += 1
        self.last_conv = (program.tags[Opcode.CONV] or [0])[-1]
        self.last_words = len(program.words)
        for base, content in program.regions.items():
            self.memory.memory.write(self.bases[base], bytes(content))
        self.memory.memory.write(BASES["program"], code or program.encoded())
        for base, address in self.bases.items():
            await self.write(base, address)
        self.clear()

    def clear(self) -> None:
        """Forgets what the engines did."""
        for log in (*self.started.values(), *self.retired.values(), self.words):
            log.clear()
        for log in (self.pool_starts, self.memory.reads):
            log.clear()
        self.records.clear()

    async def done(self, limit: int = 100_000) -> None:
        """Waits for the done bit."""
        for _ in range(limit // 5):
            if await self.read("control") & 1 << Control.DONE:
                return
        state = {name: await self.read(name) for name in REGISTERS}
        raise AssertionError(f"no end: {state}")

    async def run(self, program: Program, code: bytes | None = None) -> None:
        await self.setup(program, code)
        await self.write("control", 1)
        await self.done()

    async def good_run(self) -> None:
        """The overlay runs another program."""
        program = random_program(CONFIG, self.rng, groups=1)
        await self.run(program)
        await self.check(program)

    async def fails(self, error: Error, tag: int | None = None) -> None:
        """The run has ended with this error, and the overlay can start anew."""
        assert Error(await self.read("error")) == error
        assert await self.read("status") & 1 << Status.ERROR
        if tag is not None:
            assert await self.read("error_tag") == tag
        await self.good_run()

    async def check(self, program: Program) -> None:
        """The program has had all its effects and no others."""
        assert await self.read("error") == 0
        output = self.memory.memory.read(self.bases["output"], len(program.output))
        wrong = [i for i, (a, b) in enumerate(zip(output, program.output, strict=True)) if a != b]
        assert not wrong, f"{len(wrong)} bytes of the output differ, {wrong[0]} to {wrong[-1]}"
        assert self.records == program.records
        assert self.started == program.tags
        assert len(self.words) == len(program.words)
        for got, word in zip(self.words, program.words, strict=True):
            assert got & ((1 << 8 * len(word)) - 1) == int.from_bytes(word, "little")
        self.check_order(program)

    def check_order(self, program: Program) -> None:
        """POOL starts only after the CONV that posts its token."""
        convs = self.retired[Opcode.CONV]
        assert len(convs) == len(program.tags[Opcode.CONV])
        assert all(pool > convs[number] for number, pool in enumerate(self.pool_starts))

    def check_reads(self, program: Program) -> None:
        """No byte was read that no instruction asks for."""
        beat = CONFIG.axi_bytes
        allowed: set[int] = set()
        spans = [(BASES["program"], len(program.encoded()))]
        spans += [(BASES[base] + offset, count) for base, offset, count in program.reads]
        for start, count in spans:
            allowed |= set(range(start // beat, -(-(start + count) // beat))) if count else set()
        assert {address // beat for address in self.memory.reads} == allowed
