"""A place beside a stream, so that nothing in front of it waits for what is behind it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Skid(wiring.Component):
    """Hands payloads on in the same cycle; keeps one that is not taken. ``i.ready`` is a register.

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
        m.d.comb += [
            self.i.ready.eq(~held),
            self.o.valid.eq(self.i.valid | held),
            self.o.payload.eq(Mux(held, kept, self.i.payload)),
        ]
        m.d.sync += held.eq(self.o.valid & ~self.o.ready)
        with m.If(~held):
            m.d.sync += kept.eq(self.i.payload)
        return m
