"""A counted loop of equal rounds, the last step of which is a register."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes


class Rounds(wiring.Component):
    """Counts the steps of a loop; behind its last step it begins again.

    Parameters
    ----------
    bits : width of the count.

    Members
    -------
    i_start : the next cycle's step is a round's first.
    i_advance : to the next step.
    i_count, i_single : steps of a round, not zero; it is one. Read with ``i_start`` and with a
    round's last step.
    o_last : the present step is its round's last; a register.
    """

    def __init__(self, *, bits: int) -> None:
        check_sizes(1, bits=bits)
        strobes = {f"i_{name}": In(1) for name in ("start", "advance", "single")}
        super().__init__(strobes | {"i_count": In(unsigned(bits)), "o_last": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        left = Signal.like(self.i_count)  # steps behind this one
        last = self.o_last
        with m.If(self.i_advance):
            m.d.sync += [
                last.eq(Mux(last, self.i_single, left == 1)),
                left.eq(Mux(last, self.i_count, left) - 1),
            ]
        with m.If(self.i_start):
            m.d.sync += [last.eq(self.i_single), left.eq(self.i_count - 1)]
        return m
