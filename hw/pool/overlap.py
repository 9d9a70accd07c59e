"""How many columns a pooling window shares with the one before it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.isa import POOL
from hw.pool.pool_layouts import RING


class Overlap(wiring.Component):
    """Finds whether windows slide: whether a window's first columns are the previous one's last.

    They do if the column step is a multiple of the tap column step, smaller than the window.  The
    multiple is found by adding: min(multiple, tap columns) cycles.

    Members
    -------
    i_run : In. High from the cycle after the instruction's arrival until ``o_done``.
    i_first : In. The arriving instruction's tap column step, the cycle before ``i_run``.
    i_instruction : In, ``hw.isa.POOL``, held.
    i_alone : In, held. Windows do not slide, whatever they share.
    o_done : Out. The other outputs are valid from the next cycle on.
    o_slides : Out.
    o_fresh : Out. Columns that a window does not share with the one before it.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i_run": In(1),
                "i_first": In(POOL["tap_column_step"].shape),
                "i_instruction": In(POOL),
                "i_alone": In(1),
                "o_done": Out(1),
                "o_slides": Out(1),
                "o_fresh": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = self.i_instruction
        columns = Signal(8, init=1)
        step = Signal(len(pool.tap_column_step) + exact_log2(RING))  # of so many columns
        alone = (columns == pool.tap_columns) | (pool.tap_columns > RING) | (pool.out_width == 1)
        alone |= self.i_alone
        m.d.comb += self.o_done.eq(self.i_run & (alone | (step == pool.column_step)))
        with m.If(self.o_done):
            m.d.sync += [
                self.o_slides.eq(~alone),
                self.o_fresh.eq(columns),
                columns.eq(1),
            ]
        with m.Elif(self.i_run):
            m.d.sync += [columns.eq(columns + 1), step.eq(step + pool.tap_column_step)]
        with m.Else():
            m.d.sync += step.eq(self.i_first)
        return m
