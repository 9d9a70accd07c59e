"""A counted loop whose last step is known a cycle ahead."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes


class Steps(wiring.Component):
    """Counts the steps of a loop, round by round; the next round begins behind the last step.

    It counts down, so that the last step needs no comparison with the count.

    Parameters
    ----------
    bits : width of the count.

    Members
    -------
    i_start : the next step is a round's first.
    i_advance : to the next step.
    i_count, i_single : steps of the round, not zero; it is one. Held while the round lasts.
    o_first, o_last : what the present step is of its round.
    o_ends : if it is not the first, it is the last; a register, as ``o_first`` is.
    """

    def __init__(self, *, bits: int) -> None:
        check_sizes(1, bits=bits)
        strobes = {f"i_{name}": In(1) for name in ("start", "advance", "single")}
        count = {"i_count": In(unsigned(bits))}
        outputs = {"o_first": Out(1, init=1), "o_last": Out(1), "o_ends": Out(1)}
        super().__init__(strobes | count | outputs)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        left = Signal.like(self.i_count)  # steps behind this one, but for the first
        first, ends = self.o_first, self.o_ends
        m.d.comb += self.o_last.eq(Mux(first, self.i_single, ends))
        with m.If(self.i_advance):
            m.d.sync += [
                first.eq(self.o_last),
                ends.eq(Mux(first, self.i_count == 2, left == 1)),
                left.eq(Mux(first, self.i_count - 2, left - 1)),
            ]
        with m.If(self.i_start):
            m.d.sync += first.eq(1)
        return m
