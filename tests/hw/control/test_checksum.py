"""The program's checksum: gateware against zlib, and what sealing promises."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.control.checksum_unit import ProgramChecksum
from hw.isa import INSTRUCTION_BYTES, Opcode, decode, encode
from hw.isa.checksum import is_sealed
from hw.isa.timing import CHECK_LATENCY
from tests.kit.sealing import sealed


def program(count: int, seed: int) -> bytes:
    """Instructions of random bits, and END."""
    body = random.Random(seed).randbytes(INSTRUCTION_BYTES * count)
    return body + encode(Opcode.END, {"tag": seed})


def test_end_carries_the_crc32_of_all_before_it() -> None:
    words = sealed(program(3, 1))
    _, end = decode(words[-INSTRUCTION_BYTES:])
    assert end["tag"] == 1
    assert end["checksum"] == zlib.crc32(words[: 3 * INSTRUCTION_BYTES + 4])
    assert sealed(words) == words


def test_every_changed_bit_breaks_the_seal() -> None:
    words = sealed(program(2, 2))
    assert is_sealed(words)
    assert not is_sealed(program(2, 2))
    for bit in range(8 * len(words)):
        changed = bytearray(words)
        changed[bit // 8] ^= 1 << bit % 8
        assert not is_sealed(bytes(changed))


@pytest.mark.parametrize("data_bytes", [4, 16, 64, 128])
def test_gateware_agrees(data_bytes: int) -> None:
    """Right behind a sealed program's last beat, whatever the pauses, and nowhere else."""
    words = sealed(program(4, 3))
    beats = [words[at : at + data_bytes] for at in range(0, len(words), data_bytes)]
    dut = ProgramChecksum(data_bytes=data_bytes)
    rng = random.Random(4)

    async def run(ctx: Any) -> None:
        for beat in beats:
            while rng.random() < 0.3:
                ctx.set(dut.i_valid, 0)
                await ctx.tick()
            ctx.set(dut.i_valid, 1)
            ctx.set(dut.i_data, int.from_bytes(beat, "little"))
            assert not ctx.get(dut.o_right)
            await ctx.tick()
        ctx.set(dut.i_valid, 0)
        await ctx.tick().repeat(CHECK_LATENCY - 1)
        assert ctx.get(dut.o_right)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
