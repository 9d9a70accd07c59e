"""A first-in first-out queue with stream ports."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.lib.occupancy import Occupancy, following
from hw.lib.oldest import keep_oldest
from hw.lib.sizes import check_sizes


class Queue(wiring.Component):
    """Queue of payloads of any shape; one in and one out per cycle.

    ``i.ready``, ``o_level`` and all of ``o`` are registers.

    Parameters
    ----------
    shape : of the payload.
    depth : payloads it holds, at least 2.
    block : use block RAM (``BLOCK_QUEUE_LATENCY``), not distributed RAM (``QUEUE_LATENCY``); as no
        row is read while it is written, tools need not care for what that gives.

    Members
    -------
    i, o : streams in and out.
    o_level : payloads inside.
    """

    def __init__(self, *, shape: Any, depth: int, block: bool = False) -> None:
        check_sizes(2, depth=depth)
        self._shape = shape
        self._depth = depth
        self._block = block
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "o_level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows = self._depth - self._block  # block RAM's output holds a payload, too
        width = Shape.cast(self._shape).width
        m.submodules.storage = storage = Memory(
            shape=width, depth=rows, init=[], attrs={"no_rw_check": 1} if self._block else {}
        )
        m.submodules.count = count = Occupancy(depth=rows)
        write, read = (
            storage.write_port(),
            storage.read_port(domain="sync" if self._block else "comb"),
        )
        produce, consume = (Signal(range(rows), name=name) for name in ("produce", "consume"))
        m.d.comb += [
            self.i.ready.eq(count.o_room),
            count.i_enters.eq(self.i.valid & count.o_room),
            write.addr.eq(produce),
            write.data.eq(self.i.payload),
            # A row that is free is written whether a payload comes or not.
            write.en.eq(count.o_room),
        ]
        with m.If(count.i_enters):
            m.d.sync += produce.eq(following(produce, rows))
        with m.If(count.i_leaves):
            m.d.sync += consume.eq(following(consume, rows))
        if self._block:
            m.d.comb += [read.addr.eq(consume), self.o.payload.eq(read.data)]
            self._fetch(m, count, read)
        else:
            m.d.comb += [
                count.i_leaves.eq(count.o_some & self.o.ready),
                self.o.valid.eq(count.o_some),
                self.o_level.eq(count.o_level),
            ]
            self._show(m, count, read)
        return m

    def _show(self, m: Module, count: Occupancy, read: Any) -> None:
        """The output keeps a copy of the oldest payload."""
        more = Signal()  # than one
        with m.If(count.i_enters & ~count.i_leaves):
            m.d.sync += more.eq(count.o_some)
        with m.If(count.i_leaves & ~count.i_enters):
            m.d.sync += more.eq(more & (count.o_level != 2))
        keep_oldest(
            m,
            read,
            self.o.payload,
            self.i.payload,
            depth=self._depth,
            leaves=count.i_leaves,
            some=count.o_some,
            more=more,
        )

    def _fetch(self, m: Module, count: Occupancy, read: Any) -> None:
        """Block RAM: a payload is read as soon as the one before it leaves the output."""
        m.submodules.total = total = Occupancy(depth=self._depth)
        m.d.comb += [
            count.i_leaves.eq(count.o_some & (~self.o.valid | self.o.ready)),
            read.en.eq(count.i_leaves),
            total.i_enters.eq(count.i_enters),
            total.i_leaves.eq(self.o.valid & self.o.ready),
            self.o_level.eq(total.o_level),
        ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(count.o_some)
