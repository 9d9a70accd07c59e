"""LOAD's and STORE's addresses and lanes for every alignment, and parameter records."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.isa import LOAD, STORE, Base, Error, MemorySpace
from hw.isa.config import OverlayConfig
from hw.isa.register_map import UNLIMITED
from hw.isa.timing import READ_LATENCY
from hw.move.load import Load
from hw.move.store import Store
from hw.move.transfer import Transfer

WIDTH = 8
CONFIG = OverlayConfig(
    rows=2, columns=5, axi_bytes=WIDTH, tensor_bytes=256, accumulator_depth=8, parameter_depth=64
)
BASES = (0x1_0000_0000, 0x2_0000_0003, 0x3_0000_1235, 0x4_0000_00FF)


TENSOR_BYTES = 1 << 20


def bound(ctx: Any, dut: Any) -> None:
    """Places the regions; nothing is beyond their ends."""
    for number, value in enumerate(BASES):
        ctx.set(dut.i_bases[number], value)
        ctx.set(dut.i_sizes[number], UNLIMITED)


def simulate(dut: Any, *testbenches: Any) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


async def give(ctx: Any, port: Any, codes: list[dict[str, int]]) -> None:
    """Hands over instructions."""
    for code in codes:
        for name, value in code.items():
            ctx.set(getattr(port.payload, name), value)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


def byte_at(address: int) -> int:
    """What DRAM and tensor memory hold."""
    return (address * 167 + (address >> 8) * 11) & 0xFF


@settings(max_examples=40, deadline=None)
@given(
    base=st.sampled_from(Base),
    offset=st.integers(0, (1 << 40) - 1),
    local=st.integers(0, TENSOR_BYTES) | st.integers(0, (1 << 32) - 1),
    count=st.integers(0, TENSOR_BYTES) | st.integers(0, (1 << 32) - 1),
    spare=st.integers(-3, 3),
    width=st.sampled_from([4, 16, 128]),
)
def test_transfer(base: Base, offset: int, local: int, count: int, spare: int, width: int) -> None:
    """``spare``: bytes of the region behind what is moved."""
    dut = Transfer(config=replace(CONFIG, axi_bytes=width, tensor_bytes=TENSOR_BYTES), layout=LOAD)
    size = max(0, offset + count + spare)

    async def run(ctx: Any) -> None:
        bound(ctx, dut)
        ctx.set(dut.i_sizes[base], size)
        code = {"base": base, "offset": offset, "local": local, "bytes": count, "tag": 7}
        await give(ctx, dut.i, [code])
        if offset + count > size or local + count > TENSOR_BYTES:
            await ctx.tick().until(dut.o_failed)
            beyond = offset + count > size
            assert ctx.get(dut.o_failure.code) == (Error.REGION if beyond else Error.FIELD)
            assert ctx.get(dut.o_failure.tag) == 7
            for _ in range(5):
                assert not ctx.get(dut.o_command.valid | dut.o.valid)
                await ctx.tick()
            return
        await ctx.tick().until(dut.o_command.valid & dut.o.valid)
        address = BASES[base] + offset
        skew = address % width
        assert ctx.get(dut.o_command.payload.address) // width == address // width
        assert ctx.get(dut.o_command.payload.beats) == (-(-(skew + count) // width) if count else 0)
        assert ctx.get(dut.o.payload.skew) == skew
        assert ctx.get(dut.o.payload.local) == (local - skew) % (1 << 32)
        assert ctx.get(dut.o.payload.lanes) == (skew + count if count else 0)

    simulate(dut, run)


def tensor_codes(rng: random.Random) -> list[dict[str, int]]:
    """Transfers of every alignment of both sides."""
    return [
        {
            "base": rng.randrange(4),
            "offset": rng.randrange(100) + 8 + dram,
            "local": 8 * rng.randrange(1, 9) + here,
            "bytes": rng.choice([0, 1, 2, 7, 8, 9, 15, 16, 17, 40]),
        }
        for dram in range(WIDTH)
        for here in range(WIDTH)
    ]


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_load_to_every_alignment(stall: float) -> None:
    rng = random.Random(1)
    codes = tensor_codes(rng)
    dut = Load(config=CONFIG)
    memory, expected = bytearray(256), bytearray(256)
    snapshots: list[bytes] = []
    for code in codes:
        start = BASES[code["base"]] + code["offset"]
        for n in range(code["bytes"]):
            expected[code["local"] + n] = byte_at(start + n)
        snapshots.append(bytes(expected))

    async def instructions(ctx: Any) -> None:
        bound(ctx, dut)
        await give(ctx, dut.i, codes)

    async def move(ctx: Any) -> None:
        waiting: list[int] = []
        retired = 0
        ctx.set(dut.o_command.ready, 1)
        while retired < len(codes):
            offer, ready = bool(waiting) and rng.random() >= stall, rng.random() >= stall
            ctx.set(dut.i_beat.valid, offer)
            if offer:
                beat = bytes(byte_at(waiting[0] + n) for n in range(WIDTH))
                ctx.set(dut.i_beat.payload, int.from_bytes(beat, "little"))
            ctx.set(dut.o_write.ready, ready)
            _, _, asks, address, beats, taken, write, payload, retire = await ctx.tick().sample(
                dut.o_command.valid,
                dut.o_command.payload.address,
                dut.o_command.payload.beats,
                dut.i_beat.ready,
                dut.o_write.valid,
                dut.o_write.payload,
                dut.o_retire,
            )
            if retire:
                assert bytes(memory) == snapshots[retired]
                retired += 1
            if offer and taken:
                waiting.pop(0)
            if asks:
                waiting += [(address // WIDTH + n) * WIDTH for n in range(beats)]
            if write and ready:
                data = int(payload.data).to_bytes(CONFIG.tensor_word, "little")
                for lane in range(payload.low, payload.high):
                    memory[(payload.address + lane) % (1 << 32)] = data[lane]

    simulate(dut, instructions, move)


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_store_from_every_alignment(stall: float) -> None:
    rng = random.Random(2)
    codes = tensor_codes(rng)
    dut = Store(config=CONFIG)
    finished = Signal()

    async def instructions(ctx: Any) -> None:
        bound(ctx, dut)
        await give(ctx, dut.i, codes)

    async def tensor_memory(ctx: Any) -> None:
        answers: list[int | None] = [None] * READ_LATENCY
        while not ctx.get(finished):
            ready = rng.random() >= stall
            ctx.set(dut.o_read.ready, ready)
            answer = answers.pop(0)
            ctx.set(dut.i_read_valid, answer is not None)
            if answer is not None:
                word = bytes(byte_at((answer + n) % (1 << 32)) for n in range(CONFIG.tensor_word))
                ctx.set(dut.i_read, int.from_bytes(word, "little"))
            _, _, asks, address = await ctx.tick().sample(
                dut.o_read.valid, dut.o_read.payload.address
            )
            answers.append(address if asks and ready else None)

    async def bus(ctx: Any) -> None:
        ctx.set(dut.o_command.ready, 1)
        for code in codes:
            written: dict[int, int] = {}
            left, address = 0, 0
            while True:
                ready = rng.random() >= stall
                ctx.set(dut.o_beat.ready, ready)
                ctx.set(dut.i_writer_idle, left == 0)
                _, _, asks, to, beats, valid, beat, retire = await ctx.tick().sample(
                    dut.o_command.valid,
                    dut.o_command.payload.address,
                    dut.o_command.payload.beats,
                    dut.o_beat.valid,
                    dut.o_beat.payload,
                    dut.o_retire,
                )
                if asks:
                    left, address = beats, to // WIDTH * WIDTH
                if valid and ready:
                    assert left > 0
                    for lane in range(WIDTH):
                        if beat.strobe >> lane & 1:
                            written[address + lane] = int(beat.data) >> 8 * lane & 0xFF
                    address, left = address + WIDTH, left - 1
                if retire:
                    assert left == 0
                    break
            start = BASES[code["base"]] + code["offset"]
            assert written == {start + n: byte_at(code["local"] + n) for n in range(code["bytes"])}
        ctx.set(finished, 1)

    simulate(dut, instructions, tensor_memory, bus)


@pytest.mark.parametrize("width", [4, 8, 16, 64])
def test_records(width: int) -> None:
    rng = random.Random(width)
    config = OverlayConfig(
        rows=2,
        columns=5,
        axi_bytes=width,
        tensor_bytes=512,
        accumulator_depth=8,
        parameter_depth=64,
    )
    dut = Load(config=config)
    codes = [
        {
            "base": Base.PROGRAM,
            "space": MemorySpace.PARAMETER,
            "offset": 16 * rng.randrange(20),
            "local": rng.randrange(40),
            "bytes": 16 * rng.randint(1, 9),
        }
        for _ in range(12)
    ]
    got: list[tuple[int, int]] = []

    async def instructions(ctx: Any) -> None:
        bound(ctx, dut)
        await give(ctx, dut.i, codes)

    async def move(ctx: Any) -> None:
        waiting: list[int] = []
        retired = 0
        ctx.set(dut.o_command.ready, 1)
        while retired < len(codes):
            offer = bool(waiting) and rng.random() < 0.7
            ctx.set(dut.i_beat.valid, offer)
            if offer:
                beat = bytes(byte_at(waiting[0] + n) for n in range(width))
                ctx.set(dut.i_beat.payload, int.from_bytes(beat, "little"))
            _, _, asks, address, beats, taken, valid, write, retire = await ctx.tick().sample(
                dut.o_command.valid,
                dut.o_command.payload.address,
                dut.o_command.payload.beats,
                dut.i_beat.ready,
                dut.o_parameter_valid,
                dut.o_parameter,
                dut.o_retire,
            )
            retired += retire
            if offer and taken:
                waiting.pop(0)
            if asks:
                waiting += [(address // width + n) * width for n in range(beats)]
            if valid:
                got.append((write.address, int(write.record.as_bits())))

    simulate(dut, instructions, move)
    expected = []
    for code in codes:
        for n in range(code["bytes"] // 16):
            start = BASES[0] + code["offset"] + 16 * n
            raw = bytes(byte_at(start + i) for i in range(11))
            expected.append((code["local"] + n, int.from_bytes(raw, "little")))
    assert got == expected


def test_store_layout_is_loads() -> None:
    """``Transfer`` serves both."""
    fields = ("base", "offset", "local", "bytes")
    assert [LOAD[name] for name in fields] == [STORE[name] for name in fields]
