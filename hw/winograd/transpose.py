"""Between the dimensions of the output transform: sums by line in, lines of them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.isa.transforms import Transform, choice_bits
from hw.lib.sizes import check_sizes
from hw.winograd.steps import StepRun, Walk, step_bits


class Transpose(wiring.Component):
    """Keeps a tile's x.alpha columns of y.m sums, and delivers y.m lines of x.alpha elements.

    One element per cycle; a tile's elements leave in consecutive cycles, the first
    TRANSPOSE_LATENCY after the first sum of its last line, while the next tile may come in.

    The next tile's column i comes y.alpha * (i + 1) cycles behind at the earliest.  By then, if
    both axes are alike, line l < i + 2 has been read: only sums l > i + 1, those in columns 0 and
    1, need a second place, columns 6 and 7 of every other tile, and 32 words are enough.  Of one
    dimension all lines have been read: they are y.m words.

    Parameters
    ----------
    transforms : the configured ones.
    bits : of a sum.

    Members
    -------
    i_valid, i_transform, i_value : In. The sums, columns outside.
    o_valid, o_transform, o_value : Out. The elements, lines outside.
    o_position, o_last : Out. Position in the line; the line's last.
    """

    def __init__(self, *, transforms: Sequence[Transform], bits: int) -> None:
        check_sizes(1, bits=bits)
        self._sums = tuple(t.y.m for t in transforms)
        self._alphas = tuple(t.x.alpha for t in transforms)
        position = step_bits(self._alphas)
        super().__init__(
            {
                "i_valid": In(1),
                "i_transform": In(choice_bits(transforms)),
                "i_value": In(signed(bits)),
                "o_valid": Out(1),
                "o_transform": Out(choice_bits(transforms)),
                "o_value": Out(signed(bits)),
                "o_position": Out(position),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(outer=self._alphas, inner=self._sums)
        m.submodules.run = run = StepRun(outer=self._sums, inner=self._alphas)
        bank, read_bank = Signal(), Signal()
        m.d.comb += [
            walk.i_valid.eq(self.i_valid),
            walk.i_transform.eq(self.i_transform),
            run.i_start.eq(self.i_valid & walk.o_last_outer & (walk.o_inner == 0)),
            run.i_transform.eq(self.i_transform),
        ]
        with m.If(self.i_valid & walk.o_last):
            m.d.sync += bank.eq(~bank)
        with m.If(run.i_start):
            m.d.sync += read_bank.eq(bank)

        depth = 1 << (len(walk.o_inner) + len(walk.o_outer))
        m.submodules.sums = sums = Memory(shape=self.i_value.shape(), depth=depth, init=[])
        write, read = sums.write_port(), sums.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.i_valid),
            write.addr.eq(Cat(walk.o_inner, self._place(walk.o_outer, bank))),
            write.data.eq(self.i_value),
            read.addr.eq(Cat(run.o_outer, self._place(run.o_inner, read_bank))),
            self.o_valid.eq(run.o_valid),
            self.o_transform.eq(run.o_transform),
            self.o_value.eq(read.data),
            self.o_position.eq(run.o_inner),
            self.o_last.eq(run.o_last_inner),
        ]
        return m

    def _place(self, column: Signal, bank: Signal) -> Any:
        """Where a column's sums stand; up to two sums of a tile, one place for each is enough."""
        if max(self._sums) <= 2:
            return column
        return Mux(bank & (column < 2), column + max(self._alphas), column)[: len(column)]
