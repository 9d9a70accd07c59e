"""Lets two readers share one AXI4 master."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import AXI4Read


class ReadArbiter(wiring.Component):
    """Merges two clients; beats find their way back by the id, which is the client's number.

    Addresses alternate when both clients ask; a choice stays until accepted.  No added latency.
    A client must take its beats at once (``BurstReader`` does): R is not held up for the other.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    i0, i1 : the clients; their ids are ignored.
    o : the master.
    """

    def __init__(self, *, data_bytes: int) -> None:
        signature = AXI4Read(data_bytes=data_bytes)
        super().__init__({"i0": In(signature), "i1": In(signature), "o": Out(signature)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        last = Signal()
        locked = Signal()
        chosen = Signal()
        other_asks = Mux(last, self.i0.ar.valid, self.i1.ar.valid)
        m.d.comb += chosen.eq(Mux(locked | ~other_asks, last, ~last))
        m.d.sync += [last.eq(chosen), locked.eq(self.o.ar.valid & ~self.o.ar.ready)]

        for number, client in enumerate((self.i0, self.i1)):
            with m.If(chosen == number):
                m.d.comb += [
                    self.o.ar.payload.eq(client.ar.payload),
                    self.o.ar.payload.id.eq(number),
                    self.o.ar.valid.eq(client.ar.valid),
                    client.ar.ready.eq(self.o.ar.ready),
                ]
            m.d.comb += [
                client.r.payload.eq(self.o.r.payload),
                client.r.valid.eq(self.o.r.valid & (self.o.r.payload.id == number)),
            ]
            with m.If(self.o.r.payload.id == number):
                m.d.comb += self.o.r.ready.eq(client.r.ready)
        return m
