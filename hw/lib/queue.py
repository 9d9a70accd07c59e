"""A first-in first-out queue with stream ports."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Shape
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """Queue of payloads of any shape; one in and one out per cycle.

    Parameters
    ----------
    shape : of the payload.
    depth : payloads it holds, at least 2.
    block : use block RAM (``BLOCK_QUEUE_LATENCY``), not distributed RAM (``QUEUE_LATENCY``).

    Members
    -------
    i, o : streams in and out.
    level : payloads inside.
    """

    def __init__(self, *, shape: Any, depth: int, block: bool = False) -> None:
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth!r}")
        self._width = Shape.cast(shape).width
        self._shape = shape
        self._depth = depth
        self._block = block
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kind = fifo.SyncFIFOBuffered if self._block else fifo.SyncFIFO
        m.submodules.fifo = queue = kind(width=self._width, depth=self._depth)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
            self.level.eq(queue.level),
        ]
        return m
