"""Requests and answers of the bridge, word by word, on memory and registers of a test."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.sim import Simulator

from hw.bridge.bridge import Bridge
from hw.bridge.shared_memory import SharedMemory
from hw.bridge.word_access import WordAccess
from hw.bus.registers import ControlSlave
from hw.isa.register_map import REGISTERS

PATIENCE = 50
SIZE, WIDTH = 1024, 8
READ, WRITE = 0x52, 0x57
MEMORY, OVERLAY, NOTHING, OWN = 0 << 30, 2 << 30, 1 << 30, 3 << 30
DONE, DAMAGED, UNKNOWN, REFUSED = range(4)


class Bridged(wiring.Component):
    """The bridge with a memory and the overlay's registers, byte streams outside."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.bridge = bridge = Bridge(patience=PATIENCE)
        m.submodules.access = access = WordAccess(
            data_bytes=WIDTH, memory_bytes=SIZE, clock_hz=25_000_000
        )
        m.submodules.memory = memory = SharedMemory(
            size=SIZE, data_bytes=WIDTH, readers=1, writers=1
        )
        m.submodules.slave = slave = ControlSlave(watchdog_cycles=9)
        m.d.comb += slave.i_values.cycles.eq(0x1234_5678_9ABC)
        connect(m, flipped(self.i), bridge.i)
        connect(m, bridge.o, flipped(self.o))
        connect(m, bridge.o_access, access.i)
        connect(m, access.o, bridge.i_answer)
        for channel in ("ar", "r"):
            connect(m, getattr(access.memory, channel), getattr(memory.i_read[0], channel))
        for channel in ("aw", "w", "b"):
            connect(m, getattr(access.memory, channel), getattr(memory.i_write[0], channel))
        connect(m, access.control, slave.bus)
        return m


def sealed(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "little")


def request(command: int, address: int, words: int, data: bytes = b"") -> bytes:
    head = bytes([command, words - 1]) + address.to_bytes(4, "little")
    return sealed(head + data)


Talk = Callable[[Any], Any]


class Host:
    """Sends bytes with rests between them, and takes answers with rests of its own."""

    def __init__(self, dut: Bridged, ctx: Any, rng: random.Random) -> None:
        self.dut, self.ctx, self.rng = dut, ctx, rng

    async def send(self, data: bytes) -> None:
        ctx, i = self.ctx, self.dut.i
        for byte in data:
            await ctx.tick().repeat(self.rng.choice([1, 1, 5]))
            ctx.set(i.payload, byte)
            ctx.set(i.valid, 1)
            await ctx.tick()
            ctx.set(i.valid, 0)

    async def take(self, count: int) -> bytes:
        ctx, o = self.ctx, self.dut.o
        found = bytearray()
        for _ in range(count):
            await ctx.tick().repeat(self.rng.choice([1, 1, 7]))
            ctx.set(o.ready, 1)
            byte, *_ = await ctx.tick().sample(o.payload).until(o.valid)
            found.append(byte[0] if isinstance(byte, tuple) else byte)
            ctx.set(o.ready, 0)
        return bytes(found)

    async def ask(self, data: bytes, size: int = 0) -> tuple[int, bytes]:
        """Verdict and data of the answer, whose CRC must be right."""
        await self.send(data)
        answer = await self.take(5 + size)
        assert sealed(answer[:-4]) == answer
        return answer[0], answer[1:-4]

    async def quiet(self, cycles: int) -> None:
        for _ in range(cycles):
            await self.ctx.tick()
            assert not self.ctx.get(self.dut.o.valid)


def talk(bench: Callable[[Host], Any], seed: int = 1) -> None:
    dut = Bridged()
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def run(ctx: Any) -> None:
        await bench(Host(dut, ctx, random.Random(seed)))

    simulator.add_testbench(run)
    simulator.run()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_memory_holds_what_is_written(seed: int) -> None:
    rng = random.Random(seed)
    contents = bytearray(SIZE)

    async def bench(host: Host) -> None:
        for _ in range(12):
            words = rng.choice([1, 2, 3, 17])
            at = 4 * rng.randrange(SIZE // 4 - words + 1)
            if rng.random() < 0.6:
                data = rng.randbytes(4 * words)
                contents[at : at + len(data)] = data
                assert await host.ask(request(WRITE, at, words, data)) == (DONE, b"")
            else:
                found = await host.ask(request(READ, at, words), 4 * words)
                assert found == (DONE, bytes(contents[at : at + 4 * words]))
        most = await host.ask(request(READ, 0, 256), 1024)
        assert most == (DONE, bytes(contents))

    talk(bench, seed)


def test_registers_are_those_of_the_overlay() -> None:
    offset = {name: register.offset for name, register in REGISTERS.items()}

    async def bench(host: Host) -> None:
        cycles = await host.ask(request(READ, OVERLAY | offset["cycles"], 2), 8)
        assert cycles == (DONE, (0x1234_5678_9ABC).to_bytes(8, "little"))
        written = await host.ask(request(WRITE, OVERLAY | offset["program"], 2, bytes(range(1, 9))))
        assert written == (DONE, b"")
        found = await host.ask(request(READ, OVERLAY | offset["program"], 2), 8)
        assert found == (DONE, bytes(range(1, 9)))

    talk(bench)


def test_the_bridge_says_what_it_is() -> None:
    async def bench(host: Host) -> None:
        expected = b"PMB1" + SIZE.to_bytes(4, "little") + (25_000_000).to_bytes(4, "little")
        assert await host.ask(request(READ, OWN, 3), 12) == (DONE, expected)
        assert await host.ask(request(READ, OWN + 12, 1)) == (REFUSED, b"")
        assert await host.ask(request(WRITE, OWN, 1, b"abcd")) == (REFUSED, b"")

    talk(bench)


def test_what_is_damaged_changes_nothing() -> None:
    """Whichever byte it is, but for the command and the count, which change the length."""

    async def bench(host: Host) -> None:
        good = request(WRITE, 16, 2, b"abcdefgh")
        assert await host.ask(good) == (DONE, b"")
        for at in range(2, len(good)):
            bad = bytearray(request(WRITE, 16, 2, b"ABCDEFGH"))
            bad[at] ^= 1 << at % 8
            assert await host.ask(bytes(bad)) == (DAMAGED, b"")
        assert await host.ask(request(READ, 16, 2), 8) == (DONE, b"abcdefgh")

    talk(bench)


def test_what_nobody_knows_is_refused() -> None:
    async def bench(host: Host) -> None:
        assert await host.ask(request(0x00, 16, 2)) == (UNKNOWN, b"")
        assert await host.ask(request(READ, NOTHING, 1)) == (REFUSED, b"")
        assert await host.ask(request(READ, SIZE, 1)) == (REFUSED, b"")
        assert await host.ask(request(WRITE, SIZE - 4, 2, b"abcdefgh")) == (REFUSED, b"")
        assert await host.ask(request(READ, SIZE - 4, 1), 4) == (DONE, b"abcd")
        assert await host.ask(request(READ, 0, 1), 4) == (DONE, bytes(4))  # not wrapped around

    talk(bench)


@pytest.mark.parametrize("length", [1, 5, 6, 7, 11, 14, 17])
def test_a_request_that_stops_is_forgotten(length: int) -> None:
    async def bench(host: Host) -> None:
        await host.send(request(WRITE, 16, 2, b"ABCDEFGH")[:length])
        await host.quiet(PATIENCE + 10)
        assert await host.ask(request(READ, 16, 2), 8) == (DONE, bytes(8))

    talk(bench)
