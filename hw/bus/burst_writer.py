"""Writes runs of beats to an AXI4 master with many bursts in flight."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import OKAY, AXI4Write, burst_beats, check_data_bytes
from hw.bus.burst_reader import COMMAND, BurstPlanner
from hw.lib.queue import Queue

BURSTS = 15  # that wait for their response


def beat_layout(data_bytes: int) -> data.StructLayout:
    """One beat to write: the bytes and which of them count."""
    return data.StructLayout({"data": unsigned(8 * data_bytes), "strobe": data_bytes})


class BurstWriter(wiring.Component):
    """Turns commands into bursts and feeds them the beats of ``i_data`` in order.

    One beat per cycle, two cycles from ``i_data`` to the W channel; a burst every second cycle.

    ``i_abort`` must be held until ``o_idle``: commands and beats are then refused, and bursts whose
    address was offered are completed with beats that write nothing.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    i : commands: ``address`` (its bits below a beat are ignored) and ``beats`` (0: does nothing).
    i_data : exactly that many beats: ``data`` and ``strobe``.
    axi : AXI4 write channels; the id is 0.
    i_abort : drop everything, see above.
    o_idle : nothing is offered to or expected from the bus, and no command is under way.
    o_error : pulse, a burst was answered with a response other than OKAY.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self._bytes = data_bytes
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND)),
                "i_data": In(stream.Signature(beat_layout(data_bytes))),
                "axi": Out(AXI4Write(data_bytes=data_bytes)),
                "i_abort": In(1),
                "o_idle": Out(1),
                "o_error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.planner = planner = BurstPlanner(data_bytes=self._bytes)
        m.submodules.bursts = bursts = Queue(
            shape=range(burst_beats(self._bytes) + 1), depth=BURSTS
        )
        self._issue(m, planner, bursts.i)
        self._feed(m, bursts.o)
        return m

    def _issue(self, m: Module, planner: BurstPlanner, bursts: stream.Interface) -> None:
        """Offers the planned bursts' addresses, and hands on how many beats each one takes.

        At most ``BURSTS`` wait for their response.
        """
        aw, b = self.axi.aw, self.axi.b
        unanswered = Signal(range(BURSTS + 1))
        free = (~aw.valid | aw.ready) & bursts.ready & (unanswered != BURSTS)
        m.d.comb += [
            planner.i.payload.eq(self.i.payload),
            planner.i.valid.eq(self.i.valid),
            self.i.ready.eq(planner.i.ready),
            planner.i_abort.eq(self.i_abort),
            planner.o.ready.eq(free),
            self.o_idle.eq(~aw.valid & (unanswered == 0) & planner.o_idle),
            b.ready.eq(1),
        ]
        issue = planner.o.valid & free & ~self.i_abort
        m.d.comb += [bursts.valid.eq(issue), bursts.payload.eq(planner.o.payload.beats)]
        with m.If(aw.ready):
            m.d.sync += aw.valid.eq(0)
        with m.If(issue):
            m.d.sync += [
                aw.valid.eq(1),
                aw.payload.addr.eq(planner.o.payload.address),
                aw.payload.len.eq(planner.o.payload.beats - 1),
            ]
        m.d.sync += [
            unanswered.eq(unanswered + issue - b.valid),
            self.o_error.eq(b.valid & (b.payload.resp != OKAY)),
        ]

    def _feed(self, m: Module, bursts: stream.Interface) -> None:
        """Passes on as many beats as each burst takes; while aborting, ones that write nothing."""
        w = self.axi.w
        left = Signal(range(burst_beats(self._bytes) + 1))
        advance = ~w.valid | w.ready
        take = (left != 0) & advance & (self.i_data.valid | self.i_abort)
        m.d.comb += [
            self.i_data.ready.eq((left != 0) & advance & ~self.i_abort),
            bursts.ready.eq((left == 0) | (take & (left == 1))),
        ]
        with m.If(advance):
            m.d.sync += [
                w.valid.eq(take),
                w.payload.data.eq(self.i_data.payload.data),
                w.payload.strb.eq(Mux(self.i_abort, 0, self.i_data.payload.strobe)),
                w.payload.last.eq(left == 1),
            ]
        with m.If(bursts.valid & bursts.ready):
            m.d.sync += left.eq(bursts.payload)
        with m.Elif(take):
            m.d.sync += left.eq(left - 1)
