"""The host's registers: every bit that is there is kept, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.bus.registers import ControlSlave
from hw.isa.register_map import REGIONS, REGISTERS, Access

WRITABLE = [name for name, one in REGISTERS.items() if one.access is Access.READ_WRITE]


@pytest.mark.parametrize("address_bits", [1, 18, 32, 39, 64])
def test_addresses_and_sizes_have_as_many_bits_as_asked_for(address_bits: int) -> None:
    dut = ControlSlave(watchdog_cycles=77, address_bits=address_bits)

    def kept(name: str, value: int) -> int:
        bits = address_bits if name in REGIONS else REGISTERS[name].width
        return value & (1 << bits) - 1

    async def write(ctx: Any, offset: int, value: int, strobes: int) -> None:
        ctx.set(dut.bus.aw.payload.addr, offset)
        ctx.set(dut.bus.w.payload, {"data": value, "strb": strobes})
        ctx.set(dut.bus.aw.valid, 1)
        ctx.set(dut.bus.w.valid, 1)
        ctx.set(dut.bus.b.ready, 1)
        await ctx.tick().until(dut.bus.aw.ready)
        ctx.set(dut.bus.aw.valid, 0)
        ctx.set(dut.bus.w.valid, 0)

    async def read(ctx: Any, name: str) -> int:
        value = 0
        for word in range(REGISTERS[name].words):
            ctx.set(dut.bus.ar.payload.addr, REGISTERS[name].offset + 4 * word)
            ctx.set(dut.bus.ar.valid, 1)
            ctx.set(dut.bus.r.ready, 1)
            await ctx.tick().until(dut.bus.ar.ready)
            ctx.set(dut.bus.ar.valid, 0)
            assert ctx.get(dut.bus.r.valid)
            value |= ctx.get(dut.bus.r.payload.data) << 32 * word
        return value

    async def bench(ctx: Any) -> None:
        for name in WRITABLE:
            reset = 77 if name == "watchdog" else REGISTERS[name].reset
            assert await read(ctx, name) == kept(name, reset), name
            assert ctx.get(dut.o_settings[name]) == kept(name, reset)
        values = {}
        for number, name in enumerate(WRITABLE):
            values[name] = (0x9E3779B97F4A7C15 * (number + 1)) & (1 << REGISTERS[name].width) - 1
            for word in range(REGISTERS[name].words):
                part = values[name] >> 32 * word & 0xFFFFFFFF
                await write(ctx, REGISTERS[name].offset + 4 * word, part ^ 0xFF00FF00, 0b0101)
                await write(ctx, REGISTERS[name].offset + 4 * word, part ^ 0x00FF00FF, 0b1010)
        for name, value in values.items():
            assert await read(ctx, name) == kept(name, value), name
            assert ctx.get(dut.o_settings[name]) == kept(name, value)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_a_width_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="address_bits"):
        ControlSlave(watchdog_cycles=1, address_bits=65)
