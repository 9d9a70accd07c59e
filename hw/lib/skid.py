"""A place beside a stream, so that nothing in front of it waits for what is behind it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal

from hw.lib.station import Station


class Skid(Station):
    """Hands payloads on in the same cycle; keeps one not taken. ``i.ready`` is a register."""

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
