"""The feeder: im2col as an address pattern, from the tensor memory into the activation FIFO."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.config import OverlayConfig
from hw.isa import CONV, WINDOW, Dataflow
from hw.memory import READ_LATENCY, read_request
from hw.pipeline import delayed
from hw.sequence.loader import nest_of
from hw.sequence.tiles import NEST_FIELDS, Tiles
from hw.window import PixelStep, Step, WindowWalker

FEED_FIELDS = tuple(dict.fromkeys((*WINDOW, "dataflow", "run_words", *NEST_FIELDS)))
FEED = data.StructLayout({name: CONV[name].shape for name in FEED_FIELDS})


class Feeder(wiring.Component):
    """Reads every activation word of a convolution, in the order in which the array uses them.

    The nest is channel tile, pixel tile, tap row, tap column, word of the run, pixel; NS always
    reads R words a chunk.  Bytes outside the image become the zero point.  One word a cycle while
    the memory grants and the FIFO has room; a few cycles between two instructions.

    Members
    -------
    i : instructions.
    o_read, i_read, i_read_valid : a reader's port of the tensor memory.
    o_valid, o_word : words for the activation FIFO, which has room for them.
    i_popped : a word has left the activation FIFO.
    o_busy : an instruction is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(FEED)),
                "o_read": Out(stream.Signature(read_request())),
                "i_read": In(8 * config.tensor_word),
                "i_read_valid": In(1),
                "o_valid": Out(1),
                "o_word": Out(8 * config.reduction),
                "i_popped": In(1),
                "o_busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.tiles = tiles = Tiles()
        m.submodules.walker = walker = WindowWalker(
            config, word_bytes=config.reduction, extra=unsigned(1)
        )
        instruction = Signal(FEED)
        walking = Signal()
        flight = Signal(range(16))  # steps whose place has not been taken
        accept = self.i.valid & self.i.ready
        started = Signal()
        m.d.comb += [
            self.i.ready.eq(~walking & (flight == 0)),
            self.o_busy.eq(walking | (flight != 0)),
            walker.i_start.eq(started),
            tiles.i_load.eq(accept),
            tiles.i_nest.eq(nest_of(self.i.p)),
            walker.i_window.eq(Cat(getattr(instruction, name) for name in WINDOW)),
            walker.i.valid.eq(walking & ~started),
        ]
        m.d.sync += started.eq(accept)
        with m.If(accept):
            m.d.sync += [instruction.eq(self.i.p), walking.eq(1)]
        stepped = walker.i.valid & walker.i.ready
        taken = walker.o.valid & walker.o.ready
        m.d.sync += flight.eq(flight + stepped - taken)
        self._steps(m, tiles, walker, instruction, walking, stepped, started)
        self._read(m, walker, instruction)
        return m

    def _steps(
        self,
        m: Module,
        tiles: Tiles,
        walker: Any,
        instruction: Any,
        walking: Any,
        stepped: Any,
        started: Any,
    ) -> None:
        """What follows each word in the loop nest."""
        pixel = Signal(16)
        word = Signal.like(instruction.run_words)
        column = Signal.like(instruction.tap_columns)
        count = Mux(instruction.dataflow == Dataflow.NS, self._config.rows, tiles.o_pixels)
        last_pixel = pixel == count - 1
        last_word = word == instruction.run_words - 1
        last_column = column == instruction.tap_columns - 1
        step = walker.i.p
        m.d.comb += tiles.i_advance.eq(stepped & last_pixel)
        with m.If(~last_pixel):
            m.d.comb += step.pixel.eq(PixelStep.NEXT)
        with m.Elif(~tiles.o_last_chunk):
            m.d.comb += step.pixel.eq(PixelStep.AGAIN)
        with m.Elif(~tiles.o_last_pixels):
            m.d.comb += step.pixel.eq(PixelStep.TILE)
        with m.Else():
            m.d.comb += step.pixel.eq(PixelStep.FIRST)
        with m.If(last_pixel):
            m.d.comb += step.word.eq(Mux(last_word, Step.FIRST, Step.NEXT))
            with m.If(last_word):
                m.d.comb += step.tap_column.eq(Mux(last_column, Step.FIRST, Step.NEXT))
                with m.If(tiles.o_last_chunk):
                    m.d.comb += step.tap_row.eq(Step.FIRST)
                with m.Elif(last_column):
                    m.d.comb += step.tap_row.eq(Step.NEXT)
        with m.If(stepped):
            m.d.sync += pixel.eq(Mux(last_pixel, 0, pixel + 1))
            with m.If(last_pixel):
                m.d.sync += word.eq(Mux(last_word, 0, word + 1))
                with m.If(last_word):
                    m.d.sync += column.eq(Mux(last_column, 0, column + 1))
                with m.If(tiles.o_final):
                    m.d.sync += walking.eq(0)
        with m.If(started):
            m.d.sync += [pixel.eq(0), word.eq(0), column.eq(0)]

    def _read(self, m: Module, walker: Any, instruction: Any) -> None:
        """Reads the places while the FIFO has room for their words, and masks the answers."""
        config = self._config
        lanes = config.reduction
        room = Signal(range(config.activation_depth + 1), init=config.activation_depth)
        place = walker.o.p
        m.d.comb += [
            self.o_read.p.address.eq(place.address),
            self.o_read.valid.eq(walker.o.valid & (room != 0)),
            walker.o.ready.eq(self.o_read.ready & (room != 0)),
        ]
        taken = walker.o.valid & walker.o.ready
        m.d.sync += room.eq(room - taken + self.i_popped)

        bound = data.StructLayout({"low": bits_for(lanes), "high": bits_for(lanes), "zero": 8})
        inside = Signal(bound)
        behind = instruction.row_pitch - place.position  # bytes up to the row's end
        m.d.comb += inside.zero.eq(instruction.zero_point)
        with m.If(place.row_valid & (behind > 0)):
            m.d.comb += inside.high.eq(Mux(behind < lanes, behind, lanes))
            with m.If(place.position < 0):
                before = -place.position
                m.d.comb += inside.low.eq(Mux(before < lanes, before, lanes))
        late = bound(delayed(m, inside.as_value(), READ_LATENCY, name="inside"))
        m.d.sync += self.o_valid.eq(self.i_read_valid)
        for lane in range(lanes):
            byte = slice(8 * lane, 8 * lane + 8)
            keep = (late.low <= lane) & (lane < late.high)
            m.d.sync += self.o_word[byte].eq(Mux(keep, self.i_read[byte], late.zero))
