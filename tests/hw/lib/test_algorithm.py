from __future__ import annotations

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from hw.lib.algorithm import multiple


@pytest.mark.parametrize("factor", [1, 4, 6, 16, 36])
def test_a_sum_of_shifts_is_the_product(factor: int) -> None:
    value, product = Signal(5), Signal(12)
    m = Module()
    m.d.comb += product.eq(multiple(value, factor))

    async def drive(context) -> None:
        for number in range(32):
            context.set(value, number)
            assert context.get(product) == number * factor

    simulator = Simulator(m)
    simulator.add_testbench(drive)
    simulator.run()
