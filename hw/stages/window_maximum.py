"""Maximum pooling of a stream of pixels: along rows first, then across them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes
from hw.stages.maximum_shape import MaximumShape
from hw.stages.pass_walk import below
from hw.stages.result_beat import result_layout
from hw.stages.window_track import WindowTrack


class WindowMaximum(wiring.Component):
    """The maxima of windows over maps that come pixel by pixel, each pixel in so many beats.

    A pixel lies in up to ``overlap`` windows of a direction: as many partial maxima are kept for
    each beat of a pixel, and across rows for each beat of a row of results.  Pixels behind the map
    that the last window covers take their time, too.

    Parameters
    ----------
    pool : the windows.
    size : height and width of the map, at least 2.
    beats : of a pixel.
    width, bits : channels of a beat, bits of a channel.

    Members
    -------
    i, o : streams of beats (`result_layout`), at most one a cycle.
    """

    def __init__(self, *, pool: MaximumShape, size: int, beats: int, width: int, bits: int) -> None:
        check_sizes(2, size=size)
        check_sizes(1, beats=beats, width=width, bits=bits)
        self._pool = pool
        self._size = size
        self._beats = beats
        self._width = width
        self._bits = bits
        layout = result_layout(width, bits)
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        go, done = Signal(), Signal()
        kept = {name: Signal(name=f"kept_{name}") for name in ("valid", "short", "empty")}
        m.submodules.column = column = WindowTrack(pool=self._pool, size=self._size)
        m.submodules.row = row = WindowTrack(pool=self._pool, size=self._size)
        beat = Signal(below(self._beats))
        outside = Signal()
        last_beat = beat == self._beats - 1
        m.d.comb += [
            outside.eq(column.o_outside | row.o_outside),
            go.eq((self.i.valid | outside) & (~kept["valid"] | done)),
            self.i.ready.eq(~outside & (~kept["valid"] | done)),
            column.i_next.eq(go & last_beat),
            row.i_next.eq(go & last_beat & column.o_last),
        ]
        with m.If(go):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
        maxima = self._along(m, go, beat, outside, column)
        flags = self._flags(m, go, beat, outside)
        self._down(m, go, done, Cat(maxima, flags), column.o_ends.any(), row, kept)
        return m

    def _flags(self, m: Module, go: Any, beat: Any, outside: Any) -> Any:
        """Whether the beat is short or empty; behind the map, as it was for the last pixel."""
        m.submodules.flags = memory = Memory(shape=2, depth=max(2, self._beats), init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        given = Cat(self.i.payload.short, self.i.payload.empty)
        m.d.comb += [
            read.addr.eq(beat),
            write.addr.eq(beat),
            write.data.eq(given),
            write.en.eq(go & ~outside),
        ]
        return Mux(outside, read.data, given)

    def _along(self, m: Module, go: Any, beat: Any, outside: Any, column: Any) -> Any:
        """The maxima of the window of a row that ends at this pixel."""
        least = Const(-(1 << (self._bits - 1)), signed(self._bits))
        values = [Mux(outside, least, self.i.payload.values[k]) for k in range(self._width)]
        maxima: Any = 0
        for phase in range(self._pool.overlap):
            memory = Memory(shape=self._bits * self._width, depth=max(2, self._beats), init=[])
            m.submodules[f"along_{phase}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            word = self._larger(m, f"along_{phase}", values, read.data, column.o_begins[phase])
            m.d.comb += [
                read.addr.eq(beat),
                write.addr.eq(beat),
                write.data.eq(word),
                write.en.eq(go & column.o_within[phase]),
            ]
            maxima = maxima | (word & column.o_ends[phase].replicate(len(word)))
        return maxima

    def _down(
        self, m: Module, go: Any, done: Any, maxima: Any, ends: Any, row: Any, kept: dict[str, Any]
    ) -> None:
        """A cycle later: the maxima across rows."""
        width = self._bits * self._width
        count = self._pool.size_out * self._beats
        place, kept_place = Signal(below(count)), Signal(below(count))
        word = Signal(width, reset_less=True)
        flags = {
            name: Signal(self._pool.overlap, name=f"kept_{name}", reset_less=True)
            for name in ("begins", "within", "ends")
        }
        with m.If(done):
            m.d.sync += kept["valid"].eq(0)
        with m.If(go & ends):
            m.d.sync += [
                place.eq(Mux(place == count - 1, 0, place + 1)),
                kept_place.eq(place),
                kept["valid"].eq(1),
                word.eq(maxima[:width]),
                Cat(kept["short"], kept["empty"]).eq(maxima[width:]),
                *(flag.eq(getattr(row, f"o_{name}")) for name, flag in flags.items()),
            ]
        values = [word.word_select(k, self._bits).as_signed() for k in range(self._width)]
        result: Any = 0
        for phase in range(self._pool.overlap):
            memory = Memory(shape=width, depth=max(2, count), init=[])
            m.submodules[f"down_{phase}"] = memory
            write, read = memory.write_port(), memory.read_port()
            larger = self._larger(m, f"down_{phase}", values, read.data, flags["begins"][phase])
            m.d.comb += [
                read.addr.eq(place),
                read.en.eq(go & ends),
                write.addr.eq(kept_place),
                write.data.eq(larger),
                write.en.eq(done & flags["within"][phase]),
            ]
            result = result | (larger & flags["ends"][phase].replicate(width))
        emits = flags["ends"].any()
        m.d.comb += done.eq(kept["valid"] & (~emits | ~self.o.valid | self.o.ready))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(done & emits):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.values.eq(result),
                self.o.payload.short.eq(kept["short"]),
                self.o.payload.empty.eq(kept["empty"]),
            ]

    def _larger(self, m: Module, name: str, values: list[Any], word: Any, begins: Any) -> Signal:
        """The larger of each value and its partial maximum, or the value where a window begins."""
        larger = Signal(len(word), name=f"larger_{name}")
        lanes = []
        for k, value in enumerate(values):
            other = word.word_select(k, self._bits).as_signed()
            lanes.append(Mux(begins | (value > other), value, other)[: self._bits])
        m.d.comb += larger.eq(Cat(lanes))
        return larger
