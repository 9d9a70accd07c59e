"""Rotation of a row of words by any number of places."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import ROTATE_LEVELS
from hw.lib.sizes import check_sizes


class RotateWords(wiring.Component):
    """Word k of ``o`` is word (k + ``i_amount``) mod ``words`` of ``i``, ``rotate_latency`` later.

    One row a cycle, each with an amount of its own, below ``words``.

    Parameters
    ----------
    words : of a row, two or more.
    bits : of a word.

    Members
    -------
    i, i_amount : In. Row and amount.
    o : Out.
    """

    def __init__(self, *, words: int, bits: int) -> None:
        check_sizes(2, words=words)
        check_sizes(1, bits=bits)
        self._words = words
        self._bits = bits
        super().__init__(
            {
                "i": In(words * bits),
                "i_amount": In(range(words)),
                "o": Out(words * bits),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row, amount = self.i, self.i_amount
        levels = len(amount)
        for first in range(0, levels, ROTATE_LEVELS):
            for level in range(first, min(first + ROTATE_LEVELS, levels)):
                places = (1 << level) % self._words * self._bits
                turned = Signal(len(row), name=f"turned_{level}")
                m.d.comb += turned.eq(Mux(amount[level - first], row.rotate_right(places), row))
                row = turned
            kept = Signal(len(row), name=f"row_{first}", reset_less=True)
            m.d.sync += kept.eq(row)
            row = kept
            if first + ROTATE_LEVELS < levels:
                rest = amount[ROTATE_LEVELS:]
                amount = Signal(len(rest), name=f"amount_{first}", reset_less=True)
                m.d.sync += amount.eq(rest)
        m.d.comb += self.o.eq(row)
        return m
