"""The pooling engine."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.isa import HEAD, PARAMETER, POOL
from hw.isa.config import OverlayConfig
from hw.isa.timing import GAIN_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.queue import Queue
from hw.lib.table_lanes import table_write
from hw.lib.tensor_memory import read_request, write_request
from hw.pool.depthwise_sums import DepthwiseSums
from hw.pool.gain_codes import GainCodes
from hw.pool.lane_memory import LaneMemory
from hw.pool.overlap import Overlap
from hw.pool.pool_finish import PoolFinish
from hw.pool.pool_layouts import PRODUCT, RING, ticket
from hw.pool.pool_taps import TapReader
from hw.pool.pool_walk import PoolWalk
from hw.pool.product import ProductLanes
from hw.pool.reduce import GroupReducer, WindowReducer

RESULTS = 32  # windows under way: more than the cycles from a window's last tap to its write;
# twice as many in a normalisation, which takes longer


class PoolEngine(wiring.Component):
    """Executes POOL instructions, one after the other: V channels of one tap a cycle.

    Each window's last tap takes a ticket of a queue that is as deep as the queue of results, so
    the fixed-rate pipeline between the two always finds room, however long writes are refused.
    Windows that slide along a row reduce each column of taps once, two columns at a time where
    they are halves of a word; see ``hw.pool.cycles`` for the
    cycles of an instruction. Any kernel, stride and dilation up to 255 columns and rows.

    A product of two tensors is a walk over windows of two taps, one of each tensor. A tensor of one
    pixel is the column that the windows of a line share, so that it is read once a line.

    A depthwise convolution is a sum of products: where windows slide, a tap is multiplied with the
    weights of its row in several columns of the kernel at once, for the windows that share it.

    Parameters
    ----------
    config : the overlay's; V = ``pool_channels``.

    Members
    -------
    i : In, stream of ``hw.isa.POOL``; an instruction's transfer starts it.
    o_done, o_tag : Out. Pulse, and the instruction's tag: its last write was accepted the cycle
        before, so reads accepted ``WRITE_TO_READ`` - 1 cycles later see it.
    o_read : Out, stream of read requests.
    i_data : In. The tensor memory's words, ``READ_LATENCY`` after the requests.
    o_write : Out, stream of write requests.
    o_record_address, i_record : Out, In. Parameter memory; the record comes two cycles later.
    i_table : In, writes of the tables, and of depthwise weights and records.
    o_progress : Out. A tap was taken the cycle before, for the watchdog.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        self._further = Signal(range(RING), name="further")  # columns of a window, less one
        super().__init__(
            {
                "i": In(stream.Signature(POOL)),
                "o_done": Out(1),
                "o_tag": Out(HEAD["tag"]),
                "o_read": Out(stream.Signature(read_request())),
                "i_data": In(8 * config.tensor_word),
                "o_write": Out(stream.Signature(write_request(config))),
                "o_record_address": Out(16),
                "i_record": In(PARAMETER),
                "i_table": In(table_write(config)),
                "o_progress": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self._config.pool_channels
        pool = Signal(POOL, reset_less=True)
        walked = self._walked(m)
        m.submodules.overlap = overlap = Overlap()
        m.submodules.walk = walk = PoolWalk(config=self._config)
        m.submodules.reader = reader = TapReader(config=self._config)
        bits = self._bits
        m.submodules.group = group = GroupReducer(lanes=lanes, bits=bits)
        m.submodules.window = window = WindowReducer(
            lanes=lanes, bits=bits, sums=self._config.depthwise
        )
        m.submodules.finish = finish = PoolFinish(config=self._config)
        columns = (overlap.o_slides | pool.halves) & ~pool.product  # are what is reduced first
        more = Mux(columns, self._further, 0)
        back = Mux(columns, pool.tap_columns - 1, 0)
        connect(m, walk.o_tap, reader.i)
        connect(m, reader.o_read, flipped(self.o_read))
        for stage in (overlap, walk, reader, finish):
            m.d.comb += stage.i_instruction.eq(pool)
        m.d.comb += [
            overlap.i_first.eq(walked.tap_column_step),
            walk.i_slides.eq(overlap.o_slides),
            walk.i_fresh.eq(overlap.o_fresh),
            reader.i_spacing.eq(more),
            group.i_average.eq(pool.average),
            group.i_zero_point.eq(pool.zero_point),
            window.i_more.eq(more),
            window.i_halves.eq(pool.halves),
            finish.i_valid.eq(window.o_valid),
            finish.i_window.eq(window.o_window),
            finish.i_record.eq(self.i_record),
            finish.i_table.eq(self.i_table),
            self.o_record_address.eq(finish.o_record_address),
        ]
        if not self._config.normalisation:
            m.d.comb += [
                group.i_valid.eq(reader.o_valid),
                group.i_tap.eq(reader.o_tap),
                group.i_data.eq(self.i_data),
            ]
        if self._config.depthwise:
            self._convolve(m, pool, overlap, reader, group, window, back, finish)
        else:
            m.d.comb += [
                window.i_average.eq(pool.average),
                window.i_back.eq(back),
                window.i_valid.eq(group.o_valid),
                window.i_window_last.eq(group.o_window_last),
                window.i_group.eq(group.o_group),
            ]
        if self._config.products:
            products = self._multiply(m, pool, reader, finish)
            if self._config.normalisation:
                self._normalise(m, pool, reader, products, group, finish)
        m.d.sync += self.o_progress.eq(walk.o_tap.valid & walk.o_tap.ready)
        self._write(m, pool, walk, finish)
        self._sequence(m, pool, walked, overlap, walk)
        return m

    @property
    def _bits(self) -> int:
        """Of a tap's value at the reducers."""
        return Shape.cast(PRODUCT).width if self._config.normalisation else 8

    def _convolve(
        self,
        m: Module,
        pool: Any,
        overlap: Overlap,
        reader: TapReader,
        group: GroupReducer,
        window: WindowReducer,
        back: Any,
        finish: PoolFinish,
    ) -> None:
        """Sums of products, beside the groups of poolings, and records of each lane."""
        m.submodules.memory = memory = LaneMemory(config=self._config)
        m.submodules.sums = sums = DepthwiseSums(config=self._config)
        slides = pool.depthwise & overlap.o_slides
        back = Mux(slides, pool.window_groups - 1, back)
        chosen = Mux(pool.depthwise, sums.o_group.as_value(), 0)
        m.d.comb += [
            overlap.i_alone.eq(pool.depthwise & (pool.window_groups == 0)),
            memory.i_write.eq(self.i_table),
            memory.i_row.eq(reader.o_row),
            memory.i_block.eq(delayed(m, finish.i_window.count, 1, name="block")),
            finish.i_records.eq(memory.o_records),
            sums.i_zero_point.eq(pool.zero_point),
            sums.i_valid.eq(reader.o_valid),
            sums.i_tap.eq(reader.o_tap),
            sums.i_data.eq(self.i_data),
            sums.i_weights.eq(memory.o_weights),
            sums.i_block.eq(reader.o_block),
            window.i_average.eq(pool.average | pool.depthwise),
            window.i_back.eq(back),
            window.i_passes.eq(Mux(slides, pool.passes, 0)),
            window.i_valid.eq(Mux(pool.depthwise, sums.o_valid, group.o_valid)),
            window.i_window_last.eq(Mux(pool.depthwise, sums.o_window_last, group.o_window_last)),
            window.i_group.eq(chosen),
        ]
        with m.If(~pool.depthwise):
            m.d.comb += [
                window.i_group.count.eq(group.o_group.count),
                *(
                    to[0].eq(one)
                    for to, one in zip(window.i_group.lanes, group.o_group.lanes, strict=True)
                ),
            ]

    def _multiply(self, m: Module, pool: Any, reader: TapReader, finish: PoolFinish) -> Any:
        """Products, beside the reducers."""
        m.submodules.product = product = ProductLanes(config=self._config)
        m.d.comb += [
            product.i_instruction.eq(pool),
            product.i_valid.eq(reader.o_valid),
            product.i_tap.eq(reader.o_tap),
            product.i_data.eq(self.i_data),
            product.i_gains.eq(finish.o_gains),
            finish.i_products.eq(product.o_products),
        ]
        return product.o_products

    def _normalise(
        self,
        m: Module,
        pool: Any,
        reader: TapReader,
        products: Any,
        group: GroupReducer,
        finish: PoolFinish,
    ) -> None:
        """Taps on their way to the reducers: as they are, or later as products with their gains."""
        m.submodules.codes = codes = GainCodes(config=self._config)
        valid = delayed(m, reader.o_valid, GAIN_LATENCY, name="valid", reset_less=False)
        tap = delayed(m, reader.o_tap, GAIN_LATENCY, name="tap")
        for lane, product in enumerate(products):
            value = Mux(pool.normalise, product, self.i_data.word_select(lane, 8).as_signed())
            m.d.comb += group.i_data.word_select(lane, self._bits).eq(value)
        m.d.comb += [
            codes.i_instruction.eq(pool),
            codes.i_data.eq(self.i_data),
            finish.i_codes.eq(codes.o_codes),
            group.i_valid.eq(Mux(pool.normalise, valid, reader.o_valid)),
            group.i_tap.eq(Mux(pool.normalise, tap, reader.o_tap)),
        ]

    def _walked(self, m: Module) -> Any:
        """The arriving instruction, with taps of two pixels where it says so."""
        arriving, walked = self.i.payload, Signal(POOL, name="walked")
        m.d.comb += walked.eq(arriving)
        with m.If(arriving.halves):
            m.d.comb += [
                walked.tap_columns.eq((arriving.tap_columns + 1) >> 1),
                walked.tap_column_step.eq(arriving.tap_column_step << 1),
            ]
        return walked

    def _sequence(
        self, m: Module, pool: Any, walked: Any, overlap: Overlap, walk: PoolWalk
    ) -> None:
        """One instruction at a time: measure the overlap, start the walk, await the last write."""
        m.d.comb += self.o_tag.eq(pool.tag)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [
                    pool.eq(walked),
                    self._further.eq(self.i.payload.tap_columns - 1),
                ]
                with m.If(self.i.valid):
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.d.comb += overlap.i_run.eq(1)
                with m.If(overlap.o_done):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += walk.i_start.eq(1)
                m.next = "RUN"
            with m.State("RUN"):
                with m.If(self.o_done):
                    m.next = "IDLE"

    def _write(self, m: Module, pool: Any, walk: PoolWalk, finish: PoolFinish) -> None:
        """Joins tickets and results."""
        depth = 2 * RESULTS if self._config.normalisation else RESULTS
        m.submodules.tickets = tickets = Queue(shape=ticket(self._config), depth=depth)
        m.submodules.results = results = Queue(shape=len(finish.o_result), depth=depth)
        room = tickets.i.ready
        if self._config.normalisation:
            room &= pool.normalise | (tickets.o_level < RESULTS)
        m.d.comb += [
            tickets.i.payload.eq(walk.o_ticket.payload),
            tickets.i.valid.eq(walk.o_ticket.valid & room),
            walk.o_ticket.ready.eq(room),
        ]
        accepted = self.o_write.valid & self.o_write.ready
        m.d.comb += [
            results.i.valid.eq(finish.o_valid),
            results.i.payload.eq(finish.o_result),
            self.o_write.valid.eq(results.o.valid),  # its ticket came long before
            self.o_write.payload.address.eq(tickets.o.payload.address),
            self.o_write.payload.low.eq(0),
            self.o_write.payload.high.eq(tickets.o.payload.channels),
            self.o_write.payload.data.eq(results.o.payload),
            tickets.o.ready.eq(accepted),
            results.o.ready.eq(accepted),
        ]
        m.d.sync += self.o_done.eq(accepted & tickets.o.payload.last)
