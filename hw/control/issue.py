"""Instruction queue of one engine, gated by its dependency tokens."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.control.tokens import ENGINES
from hw.isa import HEAD
from hw.lib.queue import Queue
from hw.lib.wide_queue import WideQueue

QUEUE_DEPTH = 4  # instructions
FLIGHT_DEPTH = 8  # instructions that an engine has started and not yet retired

EVENT = data.StructLayout(
    {"start": 1, "start_tag": HEAD["tag"], "retire": 1, "retire_tag": HEAD["tag"]}
)


class Issuer(wiring.Component):
    """Queues an engine's instructions and hands each over once its tokens are there.

    The engine only says ``i_retire`` for its oldest instruction; the issuer remembers whom to post.
    An instruction is at ``o`` two cycles after ``i``, and two cycles after the start of the one
    before it.

    Parameters
    ----------
    layout : of the engine's instruction, starting with ``hw.isa.HEAD``.

    Members
    -------
    i : instructions from fetch.
    o : instructions to the engine; their transfer consumes the tokens.
    o_wait, o_post : to ``Tokens``.
    i_retire : pulse, the engine has finished its oldest instruction.
    o_busy : an instruction is queued or not yet retired.
    o_running : an instruction has started and not yet retired.
    o_blocked : the next instruction waits for a token.
    o_tag : of the oldest instruction that has started.
    o_event : pulses and tags of starts and retirements, for traces.
    """

    def __init__(self, *, layout: data.StructLayout) -> None:
        self._layout = layout
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout)),
                "o_wait": Out(stream.Signature(ENGINES)),
                "o_post": Out(stream.Signature(ENGINES, always_ready=True)),
                "i_retire": In(1),
                "o_busy": Out(1),
                "o_running": Out(1),
                "o_blocked": Out(1),
                "o_tag": Out(HEAD["tag"]),
                "o_event": Out(EVENT),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        record = data.StructLayout({"post": HEAD["post"], "tag": HEAD["tag"]})
        m.submodules.queue = queue = WideQueue(shape=self._layout, depth=QUEUE_DEPTH)
        m.submodules.flight = flight = Queue(shape=record, depth=FLIGHT_DEPTH)
        head = queue.o.payload
        start = Signal()
        m.d.comb += [
            queue.i.payload.eq(self.i.payload),
            queue.i.valid.eq(self.i.valid),
            self.i.ready.eq(queue.i.ready),
            self.o_wait.payload.eq(head.wait),
            self.o_wait.valid.eq(queue.o.valid & flight.i.ready & self.o.ready),
            self.o.payload.eq(head),
            self.o.valid.eq(queue.o.valid & flight.i.ready & self.o_wait.ready),
            start.eq(self.o.valid & self.o.ready),
            queue.o.ready.eq(start),
            flight.i.payload.post.eq(head.post),
            flight.i.payload.tag.eq(head.tag),
            flight.i.valid.eq(start),
            flight.o.ready.eq(self.i_retire),
            self.o_post.payload.eq(flight.o.payload.post),
            self.o_post.valid.eq(self.i_retire),
            self.o_running.eq(flight.o.valid),
            self.o_busy.eq(queue.o_some | flight.o.valid),
            self.o_blocked.eq(queue.o.valid & ~self.o_wait.ready),
            self.o_tag.eq(flight.o.payload.tag),
            self.o_event.start.eq(start),
            self.o_event.start_tag.eq(head.tag),
            self.o_event.retire.eq(self.i_retire),
            self.o_event.retire_tag.eq(flight.o.payload.tag),
        ]
        return m
