"""What a wave needs besides its operands: parameters at the feet, room behind the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    TURN_LATENCY,
    collector_busy,
    collector_latency,
    foot_delay,
    parameter_margin,
)


class ParameterSchedule(wiring.Component):
    """Starts the parameter burst of each channel tile (WS, NS) in time for its first wave.

    A burst waits until the last wave that took parameters has reached the feet; the wave that
    takes the burst's may be issued while the burst is still on its way to them.

    Members
    -------
    i_begin, i_record : a WS or NS instruction starts; its first record.
    i_swap : a wave that takes parameters is issued.
    i_more : the swapped tile is not the instruction's last.
    o_load, o_record : a burst starts. o_ready : the tile's first wave may be issued; o_soon : in
    the next cycle.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_begin": In(1),
                "i_record": In(unsigned(16)),
                "i_swap": In(1),
                "i_more": In(1),
                "o_load": Out(1),
                "o_record": Out(unsigned(16)),
                "o_ready": Out(1),
                "o_soon": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        travel = foot_delay(config.rows)
        margin = parameter_margin(config.rows, config.columns)
        wanted = Signal()
        ready = self.o_ready
        quiet, quiets = Signal(range(travel + 1)), Signal()  # cycles to wait; there are some
        arriving, arrives = Signal(range(margin + 1)), Signal()  # likewise
        ends = arrives & (arriving == 1)
        m.d.comb += [
            self.o_load.eq(wanted & ~quiets & ~ready & ~arrives),
            self.o_soon.eq((ready | ends) & ~self.i_swap),
        ]
        with m.If(quiets):
            m.d.sync += [quiet.eq(quiet - 1), quiets.eq(quiet != 1)]
        with m.If(arrives):
            m.d.sync += [arriving.eq(arriving - 1), arrives.eq(~ends), ready.eq(ends)]
        with m.If(self.o_load):
            m.d.sync += [wanted.eq(0), arriving.eq(margin), arrives.eq(1)]
        with m.If(self.i_swap):
            m.d.sync += [quiet.eq(travel), quiets.eq(1), ready.eq(0)]
            with m.If(self.i_more):
                m.d.sync += [wanted.eq(1), self.o_record.eq(self.o_record + config.columns)]
        with m.If(self.i_begin):
            m.d.sync += [wanted.eq(1), self.o_record.eq(self.i_record)]
        return m


def busy_cycles(config: OverlayConfig) -> Any:
    """Shape of the cycles for which the collector's output is not free."""
    return unsigned(collector_busy(config.columns, config.transforms).bit_length())


class OutputRoom(wiring.Component):
    """Counts the free words of the output FIFO, and keeps what delivers them apart.

    Members
    -------
    i_reserve, i_words : this cycle's wave will deliver so many. i_returned : the writer took one.
    i_busy : cycles for which results of this cycle's wave or element keep the collector's output.
    o_room, o_some : free words; there are some.
    o_spacing : cycles until a wave's results find the collector's output free.
    o_clear : nothing is on its way there any more: the output turn may deliver.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._depth = config.output_depth
        self._way = collector_latency(config.rows, config.crossings) - TURN_LATENCY
        words = unsigned(self._depth.bit_length())
        super().__init__(
            {
                "i_reserve": In(1),
                "i_words": In(words),
                "i_returned": In(1),
                "i_busy": In(busy_cycles(config)),
                "o_room": Out(words, init=self._depth),
                "o_some": Out(1, init=1),
                "o_spacing": Out(busy_cycles(config)),
                "o_clear": Out(1, init=1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        some = Mux(self.i_reserve, self.o_room != self.i_words, self.o_some)
        kept, left = (
            Mux(self.i_returned, room + 1, room)[: len(self.o_room)]
            for room in (self.o_room, self.o_room - self.i_words)
        )
        m.d.sync += self.o_room.eq(Mux(self.i_reserve, left, kept))
        m.d.sync += self.o_some.eq(some | self.i_returned)
        elapsed = Mux(self.o_spacing != 0, self.o_spacing - 1, 0)
        m.d.sync += self.o_spacing.eq(Mux(self.i_busy != 0, self.i_busy, elapsed))
        coming = Signal(range(self._way + 1))  # cycles until the last result is there
        m.d.sync += self.o_clear.eq((self.o_spacing == 0) & (coming <= 1))
        with m.If(self.o_spacing != 0):
            m.d.sync += coming.eq(self._way)
        with m.Elif(coming != 0):
            m.d.sync += coming.eq(coming - 1)
        return m
