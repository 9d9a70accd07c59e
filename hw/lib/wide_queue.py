"""A queue of wide payloads, which keeps them where no logic decides on the way."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.lib.occupancy import Occupancy, following
from hw.lib.sizes import check_sizes


class WideQueue(wiring.Component):
    """Queue of payloads of hundreds of bits; one in per cycle, one out every second cycle.

    What enables so many registers and rows of distributed RAM is a register itself: the row behind
    the newest payload is written whether or not a payload comes, and the output reads the oldest
    row while it has nothing to offer.  ``i.ready`` and all of ``o`` are registers.

    Parameters
    ----------
    shape : of the payload.
    depth : payloads it holds, at least 2; the output is one of them.

    Members
    -------
    i, o : streams in and out, two cycles apart.
    o_some : there are payloads; a register but for one choice.
    """

    def __init__(self, *, shape: Any, depth: int) -> None:
        check_sizes(2, depth=depth)
        self._shape = shape
        self._rows = depth - 1
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "o_some": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows = self._rows
        width = Shape.cast(self._shape).width
        m.submodules.storage = storage = Memory(shape=width, depth=rows, init=[])
        m.submodules.count = count = Occupancy(depth=rows)
        write, read = storage.write_port(), storage.read_port(domain="comb")
        oldest = Signal(width, reset_less=True)
        produce, consume = (Signal(range(rows), name=name) for name in ("produce", "consume"))
        m.d.comb += [
            self.i.ready.eq(count.o_room),
            self.o_some.eq(count.o_some | self.o.valid),
            count.i_enters.eq(self.i.valid & count.o_room),
            count.i_leaves.eq(count.o_some & ~self.o.valid),
            write.addr.eq(produce),
            write.data.eq(self.i.payload),
            write.en.eq(count.o_room),
            read.addr.eq(consume),
            self.o.payload.eq(oldest),
        ]
        with m.If(count.i_enters):
            m.d.sync += produce.eq(following(produce, rows))
        with m.If(count.i_leaves):
            m.d.sync += consume.eq(following(consume, rows))
        with m.If(~self.o.valid):
            m.d.sync += [oldest.eq(read.data), self.o.valid.eq(count.o_some)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
