"""A stage of a stream: a relay station, whose both sides are registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Relay(wiring.Component):
    """Hands payloads on a cycle later, one a cycle; ``i.ready`` and all of ``o`` are registers.

    It holds two payloads, so that what ``o`` waits for reaches ``i`` a cycle later.

    Parameters
    ----------
    shape : of the payload.

    Members
    -------
    i, o : streams in and out.
    """

    def __init__(self, *, shape: Any) -> None:
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kept = Signal(Shape.cast(self._shape).width, reset_less=True)
        held = Signal()
        came = Value.cast(self.i.payload)
        m.d.comb += self.i.ready.eq(~held)
        with m.If(~held):
            m.d.sync += kept.eq(came)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | held),
                self.o.payload.eq(Mux(held, kept, came)),
                held.eq(0),
            ]
        with m.Else():
            m.d.sync += held.eq(held | self.i.valid)
        return m
