"""The output corner turn of Winograd in IS: pixels of one channel in, words of C channels out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
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
    return data.StructLayout(
        {
            "by_channel": 1,
            "close": 1,
            "transform": unsigned(config.transform_bits),
            "pixels": unsigned((config.columns - 1).bit_length()),
        }
    )


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
        groups: Any = Queue(shape=unit_layout(self._config), depth=GROUPS)
        m.submodules.groups = groups
        strobes, to = self._fill(m, groups.i)
        reads, column, place = self._read(m, groups.o)
        words = self._columns(m, strobes, to, place)
        self._choose(m, words, reads, column)
        return m

    def _fill(self, m: Module, groups: Any) -> tuple[Value, Value]:
        """Column 0's result: the byte of the word that it becomes, and that word's place.

        A group is handed on when its last channel is complete.
        """
        pixels = max(t.pixels for t in self._config.transforms)
        channels = range(self._config.columns)
        pixel, channel, bank = Signal(range(pixels)), Signal(channels), Signal()
        last = pixel == self._last(self.i_unit)
        with m.If(self.i_valid):
            m.d.sync += pixel.eq(Mux(last, 0, pixel + 1))
            with m.If(last):
                m.d.sync += channel.eq(Mux(self.i_unit.close, 0, channel + 1))
                m.d.sync += bank.eq(bank ^ self.i_unit.close)
        m.d.comb += [
            groups.valid.eq(self.i_valid & last & self.i_unit.close),
            groups.payload.eq(self.i_unit),
        ]
        return Cat(self.i_valid & (channel == k) for k in channels), Cat(pixel, bank)

    def _read(self, m: Module, groups: Any) -> tuple[Value, Value, Value]:
        """Whether a word of the oldest group is read, and its column and place."""
        unit = groups.payload
        pixels = max(t.pixels for t in self._config.transforms)
        column, pixel, bank = Signal.like(unit.pixels), Signal(range(pixels)), Signal()
        reads = Signal()
        last_pixel = pixel == self._last(unit)
        last_column = column == unit.pixels
        m.d.comb += [
            reads.eq(groups.valid & self.i_room),
            self.o_reserve.eq(reads),
            self.o_done.eq(reads & last_pixel & last_column),
            groups.ready.eq(self.o_done),
        ]
        with m.If(reads):
            m.d.sync += pixel.eq(Mux(last_pixel, 0, pixel + 1))
            with m.If(last_pixel):
                m.d.sync += column.eq(Mux(last_column, 0, column + 1))
                m.d.sync += bank.eq(bank ^ last_column)
        return reads, column, Cat(pixel, bank)

    def _columns(self, m: Module, strobes: Value, to: Value, place: Value) -> list[Value]:
        """The word that each column's memory reads; results come a cycle later in each column."""
        words = []
        for c in range(self._config.columns):
            shape = unsigned(8 * self._config.columns)
            memory = Memory(shape=shape, depth=1 << len(to), init=[])
            m.submodules[f"column_{c}"] = memory
            write, read = memory.write_port(granularity=8), memory.read_port()
            m.d.comb += [
                write.addr.eq(to),
                write.en.eq(strobes),
                write.data.eq(self.i_results.word_select(c, 8).replicate(self._config.columns)),
                read.addr.eq(place),
                read.en.eq(1),
            ]
            words.append(read.data)
            strobes = delayed(m, strobes, 1, name=f"strobes_{c}", reset_less=False)
            to = delayed(m, to, 1, name=f"to_{c}")
        return words

    def _choose(self, m: Module, words: list[Value], reads: Value, column: Value) -> None:
        """The word of the column that was read leaves."""
        with m.Switch(delayed(m, column, 1, name="chosen")):
            for c, word in enumerate(words):
                with m.Case(c):
                    m.d.sync += self.o_word.eq(word)
        m.d.sync += self.o_valid.eq(delayed(m, reads, 1, name="reads", reset_less=False))

    def _last(self, unit: Any) -> Any:
        return of_transform(self._config, unit.transform, lambda t: t.pixels - 1)
