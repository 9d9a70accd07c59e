"""A bench with one test that passes and one that fails."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Timer


@cocotb.test
async def passes(dut: Any) -> None:
    """The reset value of an output."""
    await Timer(1, "ns")
    assert int(dut.interrupt.value) == 0


@cocotb.test
async def fails(dut: Any) -> None:
    """Something untrue."""
    await Timer(1, "ns")
    assert int(dut.interrupt.value) == 1
