"""A stage of a stream: a relay station, whose both sides are registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value

from hw.lib.station import Station

CAPACITY = 2  # payloads


class Relay(Station):
    """Hands payloads on a cycle later, one a cycle; ``i.ready`` and all of ``o`` are registers.

    It holds ``CAPACITY`` payloads, so that what ``o`` waits for reaches ``i`` a cycle later.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = Shape.cast(self._shape).width
        oldest, kept = (Signal(width, name=name, reset_less=True) for name in ("oldest", "kept"))
        held = Signal()  # chooses payloads
        room = Signal(init=1)  # the opposite, for whoever waits
        came = Value.cast(self.i.payload)
        m.d.comb += [self.i.ready.eq(room), self.o.payload.eq(oldest)]
        with m.If(~held):
            m.d.sync += kept.eq(came)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | held),
                oldest.eq(Mux(held, kept, came)),
                held.eq(0),
                room.eq(1),
            ]
        with m.Else():
            m.d.sync += [held.eq(held | self.i.valid), room.eq(~(held | self.i.valid))]
        return m
