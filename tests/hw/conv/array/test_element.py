"""The element's sums and product are exact for all operands, and one bit less is too narrow."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from amaranth.hdl import signed
from amaranth.sim import Simulator

from hw.conv.array import element
from hw.conv.array.element import Element
from hw.isa.timing import ELEMENT_LATENCY

SUM_BITS = 40
BASE = 1 << 20  # from above


def results(lanes: int, bits: int) -> dict[tuple[int, ...], int]:
    """The sum below for every combination of stream and active operands at their ends."""
    dut = Element(lanes=lanes, accumulator_bits=SUM_BITS, operand_bits=bits)
    ends = (-1 << (bits - 1), (1 << (bits - 1)) - 1)
    found = {}

    def word(operands: tuple[int, ...]) -> int:
        return sum((value % (1 << bits)) << (bits * k) for k, value in enumerate(operands))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i_enable, 1)
        ctx.set(dut.i_swap, 1)
        ctx.set(dut.i_sum, BASE)
        for operands in product(ends, repeat=2 * lanes):
            ctx.set(dut.i_stream, word(operands[:lanes]))
            ctx.set(dut.i_shadow, word(operands[lanes:]))
            await ctx.tick().repeat(ELEMENT_LATENCY + 1)
            found[operands] = ctx.get(dut.o_sum)

    simulator = Simulator(dut)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def exact(operands: tuple[int, ...]) -> int:
    """Two lanes: (s0 + t1)(s1 + t0)."""
    if len(operands) == 2:
        return BASE + operands[0] * operands[1]
    s0, s1, t0, t1 = operands
    return BASE + (s0 + t1) * (s1 + t0)


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("lanes", [1, 2])
def test_one_bit_less_is_too_narrow(lanes: int, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(value == exact(operands) for operands, value in results(lanes, bits).items())
    factor = bits + lanes - 1
    for narrow in (factor, 2 * factor):

        def less(width: int, narrow: int = narrow) -> Any:
            return signed(width - (width == narrow))

        with monkeypatch.context() as patch:
            patch.setattr(element, "signed", less)
            found = results(lanes, bits)
        assert any(value != exact(operands) for operands, value in found.items())
