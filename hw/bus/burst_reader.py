"""Reads runs of beats from an AXI4 master with many bursts in flight."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import ADDRESS_BITS, OKAY, AXI4Read, burst_beats, check_data_bytes
from hw.lib.queue import Queue
from hw.lib.sizes import check_sizes

COMMAND = data.StructLayout({"address": ADDRESS_BITS, "beats": unsigned(32)})


class BurstReader(wiring.Component):
    """Turns commands into bursts and delivers their beats in order.

    Space for every beat is reserved in an internal queue before its address is sent, so the R
    channel never waits.  A burst leaves every second cycle at most, a beat arrives every cycle;
    a beat is at ``o`` ``READER_LATENCY`` cycles after the R channel.

    ``i_abort`` must be held until ``o_idle``: commands are then refused, the queue is emptied and
    arriving beats are dropped; an address that is already offered stays until accepted.

    Parameters
    ----------
    data_bytes : width of a beat.
    depth : beats in flight or queued, at least one full burst.

    Members
    -------
    i : commands: ``address`` (its bits below a beat are ignored) and ``beats`` (0: does nothing).
    o : beats.
    axi : AXI4 read channels; the id is 0.
    i_abort : drop everything, see above.
    o_idle : nothing is offered to or expected from the bus, and no command is under way.
    o_error : the beat that ``o`` transfers came with a response other than OKAY.
    """

    def __init__(self, *, data_bytes: int, depth: int = 512) -> None:
        check_data_bytes(data_bytes)
        check_sizes(burst_beats(data_bytes), depth=depth)
        self._bytes = data_bytes
        self._depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND)),
                "o": Out(stream.Signature(8 * data_bytes)),
                "axi": Out(AXI4Read(data_bytes=data_bytes)),
                "i_abort": In(1),
                "o_idle": Out(1),
                "o_error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.planner = planner = BurstPlanner(data_bytes=self._bytes)
        entry = data.StructLayout({"data": 8 * self._bytes, "failed": 1})
        queue = Queue(shape=entry, depth=self._depth, block=True)
        m.submodules.queue = ResetInserter(self.i_abort)(queue)
        ar, r = self.axi.ar, self.axi.r
        room = Signal(range(self._depth + 1), init=self._depth)
        pending = Signal(range(self._depth + 1))

        m.d.comb += [
            planner.i.payload.eq(self.i.payload),
            planner.i.valid.eq(self.i.valid),
            self.i.ready.eq(planner.i.ready),
            planner.i_abort.eq(self.i_abort),
            planner.o.ready.eq((room >= planner.o.payload.beats) & (~ar.valid | ar.ready)),
            self.o_idle.eq(~ar.valid & (pending == 0) & planner.o_idle),
        ]
        issue = planner.o.valid & planner.o.ready & ~self.i_abort
        with m.If(ar.ready):
            m.d.sync += ar.valid.eq(0)
        with m.If(issue):
            m.d.sync += [
                ar.valid.eq(1),
                ar.payload.addr.eq(planner.o.payload.address),
                ar.payload.len.eq(planner.o.payload.beats - 1),
            ]

        m.d.comb += [
            queue.i.payload.data.eq(r.payload.data),
            queue.i.payload.failed.eq(r.payload.resp != OKAY),
            queue.i.valid.eq(r.valid & ~self.i_abort),
            r.ready.eq(1),
            self.o.payload.eq(queue.o.payload.data),
            self.o.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.o.ready),
            self.o_error.eq(self.o.valid & self.o.ready & queue.o.payload.failed),
        ]
        taken = Mux(issue, planner.o.payload.beats, 0)
        m.d.sync += [
            pending.eq(pending + taken - r.valid),
            room.eq(room - taken + (self.o.valid & self.o.ready)),
        ]
        with m.If(self.i_abort & self.o_idle):
            m.d.sync += room.eq(self._depth)
        return m


class BurstPlanner(wiring.Component):
    """Cuts commands into bursts that end at multiples of the longest burst.

    One burst every two cycles, and one more cycle between commands.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    i : commands, see ``COMMAND``.
    o : bursts: aligned ``address`` and ``beats``, at least one.
    i_abort : drop the command; refuse others.
    o_idle : no command is under way.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self._shift = (data_bytes - 1).bit_length()
        self._burst = burst_beats(data_bytes)
        burst = data.StructLayout({"address": ADDRESS_BITS, "beats": range(self._burst + 1)})
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND)),
                "o": Out(stream.Signature(burst)),
                "i_abort": In(1),
                "o_idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        index_bits = (self._burst - 1).bit_length()
        beat = Signal(ADDRESS_BITS - self._shift)
        remaining = Signal(32)
        more = Signal()  # beats remain
        last = Signal()  # the planned burst has all of them
        planned = Signal()
        beats = Signal(range(self._burst + 1))
        to_end = Signal(range(self._burst + 1))

        m.d.comb += [
            to_end.eq(self._burst - beat[:index_bits]),
            self.o_idle.eq(~more),
            self.i.ready.eq(self.o_idle & ~self.i_abort),
            self.o.payload.address.eq(Cat(Const(0, self._shift), beat)),
            self.o.payload.beats.eq(beats),
            self.o.valid.eq(planned),
        ]
        with m.If(planned):
            with m.If(self.o.ready):
                m.d.sync += [planned.eq(0), beat.eq(beat + beats), remaining.eq(remaining - beats)]
                m.d.sync += more.eq(~last)
        with m.Elif(more):
            m.d.sync += [planned.eq(1), beats.eq(Mux(remaining < to_end, remaining, to_end))]
            m.d.sync += last.eq(remaining <= to_end)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                beat.eq(self.i.payload.address >> self._shift),
                remaining.eq(self.i.payload.beats),
                more.eq(self.i.payload.beats != 0),
            ]
        with m.If(self.i_abort):
            m.d.sync += [remaining.eq(0), more.eq(0), planned.eq(0)]
        return m
