"""Pin names, the register map, the burst planner's neighbours: queue and arbiter."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.bus.arbiter import ReadArbiter
from hw.bus.axi import (
    AXI4,
    PAGE_BYTES,
    AXI4Lite,
    AXI4Read,
    burst_beats,
    connect_flat,
    flat_members,
)
from hw.bus.burst_reader import BurstReader
from hw.isa.register_map import MAP_ADDRESS_BITS, REGISTERS, Control
from hw.lib.emit import emit
from hw.lib.queue import Queue
from tests.hw.bus.memory_model import ReadMemory, content
from tests.hw.bus.test_reader import collect, command

AW = "addr len id size burst lock cache prot qos region"
CHANNELS = ("aw", "w", "b", "ar", "r")


class Pins(wiring.Component):
    """Two buses, left unused."""

    def __init__(self) -> None:
        super().__init__(
            {
                **flat_members("m_axi_gmem0", Out(AXI4(data_bytes=32))),
                **flat_members("s_axi_control", In(AXI4Lite(address_bits=12))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        connect_flat(m, self, "m_axi_gmem0", AXI4(data_bytes=32).create())
        return m


def test_flat_pins() -> None:
    ports = {port.name: port for port in emit(Pins(), "pins").ports}
    address = {"aw" + pin for pin in AW.split()} | {"ar" + pin for pin in AW.split()}
    simple = {pin + end for pin in CHANNELS for end in ("valid", "ready")}
    master = simple | address | {"wdata", "wstrb", "wlast", "bresp", "bid"}
    master |= {"rdata", "rresp", "rlast", "rid"}
    slave = simple | {"awaddr", "wdata", "wstrb", "bresp", "araddr", "rdata", "rresp"}
    names = {f"m_axi_gmem0_{pin}" for pin in master} | {f"s_axi_control_{pin}" for pin in slave}
    assert set(ports) == names | {"clk", "rst"}
    assert ports["m_axi_gmem0_awaddr"].width == 64
    assert ports["m_axi_gmem0_wstrb"].width == 32
    outputs = {name for name, port in ports.items() if port.output}
    assert {"m_axi_gmem0_awsize", "m_axi_gmem0_rready", "s_axi_control_awready"} <= outputs
    assert not {"m_axi_gmem0_awready", "m_axi_gmem0_rdata", "s_axi_control_rready"} & outputs


def test_constant_pins() -> None:
    dut = Pins()

    async def look(ctx: Any) -> None:
        assert ctx.get(dut.m_axi_gmem0_arsize) == 5
        assert ctx.get(dut.m_axi_gmem0_arburst) == 1

    simulator = Simulator(dut)
    simulator.add_testbench(look)
    simulator.run()


def test_register_map() -> None:
    offsets = {name: register.offset for name, register in REGISTERS.items()}
    contract = {"control": 0x00, "program": 0x10, "parameters": 0x1C, "input": 0x28, "output": 0x34}
    contract |= {"watchdog": 0x40, "weights0": 0x44, "weights3": 0x68}
    contract |= {"status": 0x80, "error": 0x84, "error_tag": 0x88}
    contract |= {"isa_version": 0x8C, "configuration": 0x90, "cycles": 0x94, "busy_load": 0xA0}
    assert contract.items() <= offsets.items()
    assert {bit.name: bit.value for bit in Control} == {
        "START": 0,
        "DONE": 1,
        "IDLE": 2,
        "READY": 3,
        "ABORT": 5,
    }
    words = [r.offset + 4 * word for r in REGISTERS.values() for word in range(r.words)]
    assert len(words) == len(set(words))
    assert max(words) < 1 << MAP_ADDRESS_BITS
    assert all(register.text for register in REGISTERS.values())


@pytest.mark.parametrize(("data_bytes", "beats"), [(4, 64), (64, 64), (128, 32)])
def test_bursts_fit_a_page(data_bytes: int, beats: int) -> None:
    assert burst_beats(data_bytes) == beats


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"data_bytes must be .* in \[1, 128\], not 48"):
        AXI4Read(data_bytes=48)
    with pytest.raises(ValueError, match="depth must be an integer of at least 2, not 1"):
        Queue(shape=8, depth=1)


@pytest.mark.parametrize("count", [15, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("stall", "latency", "interleave"), [(0.0, 5, False), (0.5, 5, True), (0.2, 150, True)]
)
def test_arbiter_keeps_clients_apart(
    stall: float, latency: int, interleave: bool, count: int
) -> None:
    """Commands around page boundaries, many bursts under way, beats of both in any order."""
    rng = random.Random(1)
    m = Module()
    m.submodules.arbiter = arbiter = ReadArbiter(data_bytes=4)
    readers = [BurstReader(data_bytes=4, depth=64 + 30 * n) for n in range(2)]
    for n, reader in enumerate(readers):
        m.submodules[f"reader_{n}"] = reader
        wiring.connect(m, reader.axi, getattr(arbiter, f"i{n}"))
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    memory = ReadMemory(arbiter.o, 4, stall=stall, latency=latency, interleave=interleave, rng=rng)
    simulator.add_process(memory.serve)
    for n, reader in enumerate(readers):
        pages = [(n + 1 << 30) + PAGE_BYTES * k for k in range(count)]
        commands = [(page - 4 * rng.randrange(4), rng.choice([1, 2, 5, 100])) for page in pages]
        for testbench in _client(reader, commands, rng, stall):
            simulator.add_testbench(testbench)
    simulator.run()


def _client(
    reader: Any, commands: list[tuple[int, int]], rng: random.Random, stall: float
) -> tuple[Any, Any]:
    async def ask(ctx: Any) -> None:
        for address, beats in commands:
            await command(ctx, reader.i, address, beats)

    async def take(ctx: Any) -> None:
        places = [address // 4 + n for address, beats in commands for n in range(beats)]
        got = await collect(ctx, reader, len(places), rng, stall)
        assert got == [content(4 * place, 4) for place in places]

    return ask, take
