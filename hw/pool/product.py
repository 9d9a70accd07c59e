"""Products of two tensors, element by element."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import POOL
from hw.isa.timing import FACTOR_LATENCY, PRODUCT_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes
from hw.pool.pool_layouts import PRODUCT, TAP

_FACTOR = signed(9)  # int8 relative to a zero point
_SUBTRACTION = 1


class ProductLanes(wiring.Component):
    """Holds the latest tap of the other operand, and multiplies each further tap with it.

    One multiplier a lane, in a DSP slice.  It works beside the reducers, and its products come
    later than theirs: with the record that they are requantised by.

    Parameters
    ----------
    lanes : channels.

    Members
    -------
    i_instruction : In, held while taps are under way.
    i_valid, i_tap, i_data : In. A tap and its bytes; any number of cycles apart.
    o_products : Out. ``FACTOR_LATENCY`` after the tap.
    """

    def __init__(self, *, lanes: int) -> None:
        check_sizes(1, lanes=lanes)
        self._lanes = lanes
        super().__init__(
            {
                "i_instruction": In(POOL),
                "i_valid": In(1),
                "i_tap": In(TAP),
                "i_data": In(8 * lanes),
                "o_products": Out(data.ArrayLayout(PRODUCT, lanes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = self.i_instruction
        early = FACTOR_LATENCY - PRODUCT_LATENCY - _SUBTRACTION
        word = delayed(m, self.i_data, early, name="word")
        comes = delayed(m, self.i_valid & self.i_tap.operand, early, name="comes", reset_less=False)
        zero_point = Mux(comes, pool.operand_zero_point, pool.zero_point)
        holds = Signal()
        m.d.sync += holds.eq(comes)
        for lane, result in enumerate(self.o_products):
            relative = Signal(_FACTOR, reset_less=True)
            value, held = Signal.like(relative), Signal.like(relative)
            product = Signal(PRODUCT, reset_less=True)
            m.d.sync += [
                relative.eq(word.word_select(lane, 8).as_signed() - zero_point),
                value.eq(relative),
                product.eq(value * held),
                result.eq(product),
            ]
            with m.If(holds):
                m.d.sync += held.eq(relative)
        return m
