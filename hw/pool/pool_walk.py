"""The loops of a pooling instruction."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.isa import POOL, WINDOW
from hw.isa.config import OverlayConfig
from hw.lib.rounds import Rounds
from hw.lib.window import PixelStep, Step, WindowWalker, walk_place
from hw.pool.block_walk import BlockWalk
from hw.pool.pool_layouts import ticket, window_end


class PoolWalk(wiring.Component):
    """Names the taps of all windows in order, one a cycle, and where each result goes.

    The nest is line / channel block / window / column / row.  Windows that slide: a line is an
    output row, whose first window has all its columns and each other one its fresh columns only.
    Others: a line is one output pixel.  A group is what is reduced on arrival: a column of taps if
    windows slide or a tap is two, else a window.  A product's taps but the last of each window are
    its other operand's, whose pixels are walked as the result's are.  A depthwise convolution has a
    row of weights for each tap of a group, and passes columns that slide so often that each has met
    all columns of the kernel.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_start : In.
    i_instruction : In, ``hw.isa.POOL``, held from the start until the last tap has been taken.
    i_slides, i_fresh : In, from ``Overlap``, held likewise.
    o_tap : Out, stream of places; the first comes three cycles after the start.
    o_ticket : Out, stream of ``ticket(config)``, one a window, ahead of its last tap.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_start": In(1),
                "i_instruction": In(POOL),
                "i_slides": In(1),
                "i_fresh": In(8),
                "o_tap": Out(stream.Signature(walk_place(window_end(config)))),
                "o_ticket": Out(stream.Signature(ticket(config))),
            }
        )
        self._active = Signal()
        self._moves = Signal()
        self._row_last = Signal()
        self._column_last = Signal()  # the row is, in the column's last pass
        self._window_last = Signal()  # of the window's taps
        self._line_last = Signal()  # of the line's taps in a channel block
        self._block_last = Signal()  # in the last channel block
        self._pixel_last = Signal()  # in the last pixel of all

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.walker = walker = WindowWalker(
            config=self._config,
            word_bytes=self._config.pool_channels,
            extra=window_end(self._config),
        )
        pool, step = self.i_instruction, walker.i.payload
        line_end = self._line_last & self._block_last
        row_step = Mux(self._line_last, Step.FIRST, Step.NEXT)
        column_group = (self.i_slides | pool.halves) & ~pool.product
        m.d.comb += [
            *(walker.i_window[name].eq(pool[name]) for name in WINDOW if name != "out_width"),
            walker.i_window.out_width.eq(Mux(self.i_slides, 1, pool.out_width)),
            walker.i_start.eq(self.i_start),
            walker.i.valid.eq(self._active & (~self._window_last | self.o_ticket.ready)),
            self.o_ticket.valid.eq(self._active & self._window_last & walker.i.ready),
            self._moves.eq(walker.i.valid & walker.i.ready),
            step.tap_row.eq(Mux(self._row_last, Step.FIRST, Step.NEXT)),
            step.tap_column.eq(Mux(self._column_last, row_step, Step.HOLD)),
            step.word.eq(
                Mux(self._line_last, Mux(self._block_last, Step.FIRST, Step.NEXT), Step.HOLD)
            ),
            step.pixel.eq(Mux(line_end, PixelStep.NEXT, PixelStep.HOLD)),
            step.extra.group_last.eq(Mux(column_group, self._row_last, self._window_last)),
            step.extra.window_last.eq(self._window_last),
        ]
        connect(m, walker.o, flipped(self.o_tap))
        with m.If(self._moves & line_end & self._pixel_last):
            m.d.sync += self._active.eq(0)
        with m.If(self.i_start):
            m.d.sync += self._active.eq(1)
        self._count_taps(m)
        self._count_results(m)
        self._walk_operand(m, step.extra)
        self._walk_weights(m, step.extra)
        return m

    def _count_taps(self, m: Module) -> None:
        """Rows and columns within a window, windows within a line."""
        pool = self.i_instruction
        m.submodules.rows = rows = Rounds(bits=8)
        m.submodules.columns = columns = Rounds(bits=8)
        m.submodules.windows = windows = Rounds(bits=16)
        whole = self.i_start | windows.o_last  # the next window is its line's first
        m.d.comb += [
            self._row_last.eq(rows.o_last),
            self._column_last.eq(rows.o_last & self._pass_last(m)),
            self._window_last.eq(self._column_last & columns.o_last),
            self._line_last.eq(self._window_last & windows.o_last),
            rows.i_count.eq(pool.tap_rows),
            columns.i_count.eq(Mux(whole, pool.tap_columns, self.i_fresh)),
            windows.i_count.eq(Mux(self.i_slides, pool.out_width, 1)),
            rows.i_single.eq(pool.tap_rows == 1),
            columns.i_single.eq(Mux(whole, pool.tap_columns == 1, self.i_fresh == 1)),
            windows.i_single.eq(~self.i_slides | (pool.out_width == 1)),
            rows.i_advance.eq(self._moves),
            columns.i_advance.eq(self._moves & self._column_last),
            windows.i_advance.eq(self._moves & self._window_last),
        ]
        for loop in (rows, columns, windows):
            m.d.comb += loop.i_start.eq(self.i_start)

    def _count_results(self, m: Module) -> None:
        """Channel blocks and pixels, and the address of the window's result."""
        pool, channels = self.i_instruction, self._config.pool_channels
        channels_left = Signal(16)
        m.submodules.pixels = pixels = Rounds(bits=24)
        m.submodules.results = results = BlockWalk(config=self._config)
        result = self.o_ticket.payload
        self._drive(m, results, pool.out_address, pool.out_pitch)
        m.d.comb += [
            pixels.i_start.eq(self.i_start),
            pixels.i_count.eq(pool.pixels),
            pixels.i_single.eq(pool.pixels == 1),
            pixels.i_advance.eq(self._moves & self._window_last & self._block_last),
            self._pixel_last.eq(pixels.o_last),
            result.address.eq(results.o_address),
            result.channels.eq(Mux(self._block_last, channels_left, channels)),
            result.last.eq(self._line_last & self._block_last & self._pixel_last),
        ]
        with m.If(self._moves & self._line_last):
            m.d.sync += channels_left.eq(channels_left - channels)
            m.d.sync += self._block_last.eq(channels_left <= 2 * channels)
        with m.If(self.i_start | (self._moves & self._line_last & self._block_last)):
            m.d.sync += channels_left.eq(pool.channels)
            m.d.sync += self._block_last.eq(pool.channels <= channels)

    def _walk_operand(self, m: Module, extra: Any) -> None:
        """Where a product's other operand is."""
        if not self._config.products:
            return
        pool = self.i_instruction
        m.submodules.operand = operand = BlockWalk(config=self._config)
        self._drive(m, operand, pool.operand_address, pool.operand_pitch)
        if self._config.pairs:
            m.d.comb += operand.i_stays.eq(pool.spread)
        m.d.comb += [
            extra.operand.eq(pool.product & ~self._window_last),
            extra.operand_address.eq(operand.o_address),
        ]

    def _pass_last(self, m: Module) -> Any:
        """Whether the column is not passed again."""
        if not self._config.depthwise:
            return 1
        pool = self.i_instruction
        several = self.i_slides & pool.depthwise
        m.submodules.passes = passes = Rounds(bits=len(pool.passes))
        m.d.comb += [
            passes.i_start.eq(self.i_start),
            passes.i_advance.eq(self._moves & self._row_last),
            passes.i_count.eq(Mux(several, pool.passes, 1)),
            passes.i_single.eq(~several | (pool.passes == 1)),
        ]
        return passes.o_last

    def _walk_weights(self, m: Module, extra: Any) -> None:
        """The row of a tap's weights, and the block of its channels' records."""
        if not self._config.depthwise:
            return
        pool = self.i_instruction
        row, first, block = Signal.like(extra.row), Signal.like(extra.row), Signal.like(extra.block)
        following = (row + 1)[: len(row)]
        m.d.comb += [extra.row.eq(row), extra.block.eq(block)]
        with m.If(self._moves):
            m.d.sync += row.eq(following)
            with m.If(Mux(self.i_slides, self._column_last, self._window_last)):
                m.d.sync += row.eq(first)
            with m.If(self._line_last):
                m.d.sync += [row.eq(following), first.eq(following), block.eq(block + 1)]
        with m.If(self.i_start | (self._moves & self._line_last & self._block_last)):
            m.d.sync += [
                row.eq(pool.weights),
                first.eq(pool.weights),
                block.eq(pool.parameters),
            ]

    def _drive(self, m: Module, walk: BlockWalk, address: Any, pitch: Any) -> None:
        m.d.comb += [
            walk.i_start.eq(self.i_start),
            walk.i_address.eq(address),
            walk.i_pitch.eq(pitch),
            walk.i_window.eq(self._moves & self._window_last),
            walk.i_line.eq(self._moves & self._line_last),
            walk.i_block_last.eq(self._block_last),
        ]
