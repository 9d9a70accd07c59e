"""The output corner turn of Winograd in IS: pixels of one channel in, words of C channels out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.lib.algorithm import of_transform
from hw.lib.pipelining import delayed
from hw.lib.queue import Queue

GROUPS = 2  # of channels: one is filled while the other is read


def unit_layout(config: OverlayConfig) -> data.StructLayout:
    """What is true of a channel's results: close: its group is complete behind them.

    pixels: columns with a tile, minus one.
    """
    pixels = unsigned((config.columns - 1).bit_length())
    return data.StructLayout({"by_channel": 1, "close": 1, "transform": 1, "pixels": pixels})


class OutputTurn(wiring.Component):
    """Every column keeps its tile's pixels, C channels a word, for two groups of channels.

    A group's words leave tile by tile, in each pixel by pixel, as the output FIFO has room: one a
    cycle, ``TURN_LATENCY`` cycles behind the reservation.

    Members
    -------
    i_results : C bytes, column c one cycle behind column c - 1.
    i_valid, i_unit : column 0's result is a channel's, and which one's.
    i_room, o_reserve : the output FIFO has room; one word of it is taken.
    o_done : a group has been read.
    o_valid, o_word : a word of C channels, the first one lowest.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        word = 8 * config.columns
        super().__init__(
            {
                "i_results": In(word),
                "i_valid": In(1),
                "i_unit": In(unit_layout(config)),
                "i_room": In(1),
                "o_reserve": Out(1),
                "o_done": Out(1),
                "o_valid": Out(1),
                "o_word": Out(word),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        columns = range(config.columns)
        group: Any = Queue(shape=unit_layout(config), depth=GROUPS)
        m.submodules.groups = group
        pixels = max(t.pixels for t in config.transforms)
        pixel, channel, bank = Signal(range(pixels)), Signal(range(config.columns)), Signal()
        last = pixel == self._last(self.i_unit)
        with m.If(self.i_valid):
            m.d.sync += pixel.eq(Mux(last, 0, pixel + 1))
            with m.If(last):
                m.d.sync += channel.eq(Mux(self.i_unit.close, 0, channel + 1))
                m.d.sync += bank.eq(bank ^ self.i_unit.close)
        m.d.comb += [
            group.i.valid.eq(self.i_valid & last & self.i_unit.close),
            group.i.payload.eq(self.i_unit),
        ]

        column, place, read_bank = Signal.like(self.i_unit.pixels), Signal.like(pixel), Signal()
        reads = Signal()
        last_place = place == self._last(group.o.payload)
        last_column = column == group.o.payload.pixels
        m.d.comb += [
            reads.eq(group.o.valid & self.i_room),
            self.o_reserve.eq(reads),
            self.o_done.eq(reads & last_place & last_column),
            group.o.ready.eq(self.o_done),
        ]
        with m.If(reads):
            m.d.sync += place.eq(Mux(last_place, 0, place + 1))
            with m.If(last_place):
                m.d.sync += column.eq(Mux(last_column, 0, column + 1))
                m.d.sync += read_bank.eq(read_bank ^ last_column)

        strobes = Cat(self.i_valid & (channel == k) for k in columns)
        where = Cat(pixel, bank)
        words = []
        for c in columns:
            memory = Memory(shape=unsigned(8 * config.columns), depth=1 << len(where), init=[])
            m.submodules[f"column_{c}"] = memory
            write, read = memory.write_port(granularity=8), memory.read_port()
            m.d.comb += [
                write.addr.eq(where),
                write.en.eq(strobes),
                write.data.eq(self.i_results.word_select(c, 8).replicate(config.columns)),
                read.addr.eq(Cat(place, read_bank)),
                read.en.eq(1),
            ]
            words.append(read.data)
            strobes = delayed(m, strobes, 1, name=f"strobes_{c}", reset_less=False)
            where = delayed(m, where, 1, name=f"where_{c}")
        chosen = delayed(m, column, 1, name="chosen")
        with m.Switch(chosen):
            for c in columns:
                with m.Case(c):
                    m.d.sync += self.o_word.eq(words[c])
        m.d.sync += self.o_valid.eq(delayed(m, reads, 1, name="reads", reset_less=False))
        return m

    def _last(self, unit: Any) -> Any:
        return of_transform(self._config, unit.transform, lambda t: t.pixels - 1)
