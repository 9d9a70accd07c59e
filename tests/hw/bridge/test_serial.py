"""The serial line: bytes as any UART has them, with clocks that differ a little."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.bridge.serial import SerialReceiver, SerialTransmitter


def frame(byte: int) -> list[int]:
    return [0, *(byte >> bit & 1 for bit in range(8)), 1]


@pytest.mark.parametrize(
    ("divisor", "drift"),
    [(4, 1.0), *((divisor, drift) for divisor in (7, 25) for drift in (0.97, 1.0, 1.03))],
)
def test_a_receiver_takes_bytes_of_another_clock(divisor: int, drift: float) -> None:
    rng = random.Random(divisor)
    sent = rng.randbytes(20)
    dut = SerialReceiver(divisor=divisor)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    found = bytearray()

    async def line(ctx: Any) -> None:
        await ctx.delay(5e-6)
        for byte in sent:
            for bit in frame(byte):
                ctx.set(dut.i_line, bit)
                await ctx.delay(divisor * drift * 1e-6)
            if rng.random() < 0.5:
                await ctx.delay(rng.uniform(0, 40e-6))
        await ctx.delay(40e-6)

    async def take(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        async for _, _, valid, byte in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                found.append(byte)

    simulator.add_testbench(line)
    simulator.add_testbench(take, background=True)
    simulator.run()
    assert bytes(found) == sent


def test_a_receiver_drops_noise_and_bytes_without_a_stop_bit() -> None:
    dut = SerialReceiver(divisor=8)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    found: list[int] = []

    async def line(ctx: Any) -> None:
        async def drive(*bits: int, cycles: int = 8) -> None:
            for bit in bits:
                ctx.set(dut.i_line, bit)
                await ctx.tick().repeat(cycles)

        await drive(0, cycles=2)  # shorter than half a bit
        await drive(1, cycles=90)
        await drive(*frame(0x55)[:-1], 0)  # no stop bit
        await drive(1, cycles=90)
        await drive(*frame(0xC3))
        await drive(1, cycles=20)

    async def take(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        async for _, _, valid, byte in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                found.append(byte)

    simulator.add_testbench(line)
    simulator.add_testbench(take, background=True)
    simulator.run()
    assert found == [0xC3]


@pytest.mark.parametrize("divisor", [4, 9])
def test_a_transmitter_sends_whole_frames(divisor: int) -> None:
    rng = random.Random(divisor)
    sent = rng.randbytes(8)
    dut = SerialTransmitter(divisor=divisor)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    levels: list[int] = []

    async def give(ctx: Any) -> None:
        await ctx.tick().repeat(3)
        for byte in sent:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            await ctx.tick().repeat(rng.choice([1, 30]))
        await ctx.tick().repeat(12 * divisor)

    async def listen(ctx: Any) -> None:
        async for _, _, level in ctx.tick().sample(dut.o_line):
            levels.append(level)

    simulator.add_testbench(give)
    simulator.add_testbench(listen, background=True)
    simulator.run()
    found, at = bytearray(), 0
    while 0 in levels[at:]:
        at = levels.index(0, at)
        bits = [levels[at + divisor * bit : at + divisor * (bit + 1)] for bit in range(10)]
        assert all(len(set(bit)) == 1 for bit in bits)
        assert bits[0][0] == 0 and bits[9][0] == 1
        found.append(sum(bit[0] << place for place, bit in enumerate(bits[1:9])))
        at += 10 * divisor
    assert bytes(found) == sent
