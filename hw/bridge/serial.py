"""A serial line: eight bits, no parity, one stop bit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes

_FRAME = 10  # start, eight bits, stop


class SerialReceiver(wiring.Component):
    """Bytes from a line that another clock drives.

    A byte that nothing takes before the next one has come is lost, as is one whose stop bit is
    low.

    Parameters
    ----------
    divisor : cycles of a bit, at least 4.

    Members
    -------
    i_line : the line; asynchronous.
    o : bytes.
    """

    def __init__(self, *, divisor: int) -> None:
        check_sizes(4, divisor=divisor)
        self._divisor = divisor
        super().__init__({"i_line": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.i_line, line, init=1)
        timer = Signal(range(self._divisor))
        left = Signal(range(_FRAME + 1))
        taken = Signal(_FRAME - 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(left == 0):
            with m.If(~line):  # from now on, in the middle of each bit
                m.d.sync += [left.eq(_FRAME), timer.eq(self._divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [
                timer.eq(self._divisor - 1),
                left.eq(left - 1),
                taken.eq(Cat(taken[1:], line)),
            ]
            with m.If((left == _FRAME) & line):
                m.d.sync += left.eq(0)  # no start bit
            with m.If((left == 1) & line):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(taken[1:])]
        return m


class SerialTransmitter(wiring.Component):
    """Bytes onto a line.

    Parameters
    ----------
    divisor : cycles of a bit, at least 4.

    Members
    -------
    i : bytes.
    o_line : the line; it rests high.
    """

    def __init__(self, *, divisor: int) -> None:
        check_sizes(4, divisor=divisor)
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "o_line": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        timer = Signal(range(self._divisor))
        bits = Signal(_FRAME, init=(1 << _FRAME) - 1)
        left = Signal(range(_FRAME + 1))
        m.d.comb += [self.o_line.eq(bits[0]), self.i.ready.eq(left == 0)]
        with m.If(left == 0):
            with m.If(self.i.valid):
                m.d.sync += [
                    bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))),
                    left.eq(_FRAME),
                    timer.eq(self._divisor - 1),
                ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [
                timer.eq(self._divisor - 1),
                left.eq(left - 1),
                bits.eq(Cat(bits[1:], Const(1, 1))),
            ]
        return m
