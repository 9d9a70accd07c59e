"""Functions of two tensors, element by element, and products of values and their gains."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import POOL, Combination
from hw.isa.config import OverlayConfig
from hw.isa.squares import REACH
from hw.isa.timing import FACTOR_LATENCY, GAIN_LATENCY, PRODUCT_LATENCY
from hw.lib.pipelining import delayed
from hw.pool.pool_layouts import SCALED, TAP, combined

_FACTOR = signed(9)  # int8 relative to a zero point
_SUBTRACTION = 1
_OWN = GAIN_LATENCY - PRODUCT_LATENCY - _SUBTRACTION  # cycles that a value waits for its gain


class ProductLanes(wiring.Component):
    """Holds the latest tap of the other operand, and combines each further tap with it.

    One multiplier a lane, in a DSP slice.  It works beside the reducers, and its results come later
    than theirs: with the record that they are requantised by.  A product is of two taps; else both
    taps are multiplied with their factors, and added or compared.  In a normalisation each tap is
    multiplied with its gain, on its way to the reducers.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_instruction : In, held while taps are under way.
    i_valid, i_tap, i_data : In. A tap and its bytes; any number of cycles apart.
    i_gains : In. Of the bytes, ``CODE_LATENCY + TABLE_LATENCY`` later.
    o_products : Out. ``FACTOR_LATENCY`` after the tap; of a normalisation, ``GAIN_LATENCY``.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._lanes = lanes = config.pool_channels
        self._pairs = bool(config.pairs)
        self._combined = combined(config)
        self._normalised = config.normalised_channels if config.normalisation else 0
        super().__init__(
            {
                "i_instruction": In(POOL),
                "i_valid": In(1),
                "i_tap": In(TAP),
                "i_data": In(8 * config.tensor_word),
                "i_gains": In(8 * lanes),
                "o_products": Out(data.ArrayLayout(combined(config), lanes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = self.i_instruction
        early = FACTOR_LATENCY - PRODUCT_LATENCY - _SUBTRACTION
        word = delayed(m, self._bytes, early, name="word")
        if self._normalised:
            later = delayed(m, word[8 * REACH :], _OWN - early, name="own")
        comes = delayed(m, self.i_valid & self.i_tap.operand, early, name="comes", reset_less=False)
        zero_point = Mux(comes, pool.operand_zero_point, pool.zero_point)
        holds, keeps = Signal(), Signal()
        m.d.sync += holds.eq(comes)
        if self._pairs:
            m.d.sync += keeps.eq(delayed(m, holds, 1, name="holds", reset_less=False))
        first = Mux(comes & pool.spread, word[:8].replicate(self._lanes), word)
        for lane, result in enumerate(self.o_products):
            relative = Signal(_FACTOR, reset_less=True)
            value = Signal.like(relative)
            held = Signal(SCALED if self._pairs else _FACTOR, reset_less=True)
            product = Signal(self._combined, reset_less=True)
            byte = (first if self._pairs else word).word_select(lane, 8)
            if lane < self._normalised:
                byte = Mux(pool.normalise, later.word_select(lane, 8), byte)
            m.d.sync += [
                relative.eq(byte.as_signed() - zero_point),
                value.eq(relative),
                product.eq(value * held),
            ]
            with m.If(holds):
                m.d.sync += held.eq(relative)
            if lane < self._normalised:
                with m.If(pool.normalise):
                    m.d.sync += held.eq(self.i_gains.word_select(lane, 8))
            if self._pairs:
                with m.If(pool.combination != Combination.PRODUCT):
                    m.d.sync += held.eq(Mux(holds, pool.operand_factor, pool.factor))
                self._combine(m, product, result, keeps)
            else:
                m.d.sync += result.eq(product)
        return m

    def _combine(self, m: Module, product: Any, result: Any, keeps: Any) -> None:
        """A product as it is, or with the one that was kept."""
        kept = Signal(self._combined, reset_less=True)
        with m.If(keeps):
            m.d.sync += kept.eq(product)
        greater = product > kept
        with m.Switch(self.i_instruction.combination):
            with m.Case(Combination.PRODUCT):
                m.d.sync += result.eq(product)
            with m.Case(Combination.SUM):
                m.d.sync += result.eq(product + kept)
            with m.Case(Combination.MAXIMUM):
                m.d.sync += result.eq(Mux(greater, product, kept))
            with m.Case(Combination.MINIMUM):
                m.d.sync += result.eq(Mux(greater, kept, product))

    @property
    def _bytes(self) -> Value:
        """Those of the word that some lane takes."""
        beyond = 2 * REACH if self._normalised else 0
        return self.i_data[: 8 * max(self._lanes, self._normalised + beyond)]
