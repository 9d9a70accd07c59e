"""Exact division by an odd number, known beforehand to leave no remainder."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes


class ExactDivision(wiring.Component):
    """``i_value / divisor`` where there is no remainder, one a cycle.

    The product with the divisor's inverse modulo 2**bits: with divisor = 1 + 2**a it is
    ``(1 - 2**a) (1 + 2**2a) (1 + 2**4a) ..``, a few additions of the value's lower bits.

    Parameters
    ----------
    divisor : 1 + 2**a, a > 0.
    bits : of value and quotient, at most 48.

    Members
    -------
    i_value : In.
    i_divide : In. Otherwise the value passes.
    o_quotient : Out. DIVISION_LATENCY later.
    """

    def __init__(self, *, divisor: int, bits: int) -> None:
        if not isinstance(divisor, int) or divisor < 3 or (divisor - 1) & (divisor - 2):
            raise ValueError(f"divisor must be a power of two plus one, not {divisor!r}")
        check_sizes(1, 48, bits=bits)
        self._shift = (divisor - 1).bit_length() - 1
        self._bits = bits
        super().__init__(
            {
                "i_value": In(signed(bits)),
                "i_divide": In(1),
                "o_quotient": Out(signed(bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shifts = [self._shift << index for index in range(6) if self._shift << index < self._bits]
        value, divide = self.i_value, self.i_divide
        for stage, chosen in enumerate((shifts[:2], shifts[2:])):
            for shift in chosen:
                high, low = value[shift:], value[: self._bits - shift]
                multiple = low & divide.replicate(len(low))
                high = high - multiple if shift == self._shift else high + multiple
                value = Cat(value[:shift], high[: len(low)])
            value = delayed(m, value, 1, name=f"value_{stage}")
            divide = delayed(m, divide, 1, name=f"divide_{stage}")
        m.d.comb += self.o_quotient.eq(value)
        return m
