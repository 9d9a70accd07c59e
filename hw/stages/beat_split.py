"""Wide beats of results in narrow ones."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes
from hw.stages.pass_walk import below
from hw.stages.result_beat import result_layout
from hw.stages.ring_write import beat_layout


class BeatSplit(wiring.Component):
    """Hands on ``width`` channels a beat; of a short beat those that hold some.

    Parameters
    ----------
    width_in, width : channels of a beat in and out; the first is a multiple of the second.
    rest : channels of a short beat.
    bits : of a channel.

    Members
    -------
    i : stream of `result_layout`.
    o : stream of `beat_layout`, one a cycle.
    """

    def __init__(self, *, width_in: int, width: int, rest: int, bits: int) -> None:
        check_sizes(1, width=width, bits=bits)
        check_sizes(width, width_in=width_in)
        check_sizes(1, width_in, rest=rest)
        self._parts = width_in // width
        self._short = -(-rest // width)
        self._bits = width * bits
        super().__init__(
            {
                "i": In(stream.Signature(result_layout(width_in, bits))),
                "o": Out(stream.Signature(beat_layout(width, bits))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        left = Signal(below(self._parts))  # parts behind the present one
        word = Signal(self._parts * self._bits, reset_less=True)
        free = ~self.o.valid | (self.o.ready & (left == 0))
        m.d.comb += [self.i.ready.eq(free), self.o.payload.eq(word[: self._bits])]
        with m.If(free):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & ~self.i.payload.empty),
                word.eq(self.i.payload.values),
                left.eq(Mux(self.i.payload.short, self._short, self._parts) - 1),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += [word.eq(word[self._bits :]), left.eq(left - 1)]
        return m
