"""The walk of a unit convolution (kn2row): only the pixels whose tap lies inside the image."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.config import OverlayConfig
from hw.isa import WINDOW
from hw.sequence.tiles import NEST, Tiles
from hw.window import POSITION, ROW

TAPS = data.StructLayout({**WINDOW, "run_words": unsigned(16)})


def tap_place(config: OverlayConfig) -> data.StructLayout:
    """Payload of a place: a word's address, where it lies, and where its sums go.

    pixel: of the tile. last: of the chunk.
    """
    return data.StructLayout(
        {
            "address": unsigned(32),
            "row_valid": 1,
            "position": POSITION,
            "pixel": unsigned(config.address_bits),
            "last": 1,
        }
    )


class TapWalker(wiring.Component):
    """Walks ``for channel tile: for rows of a pixel tile: for tap: for word: for pixel``.

    The first and the last chunk of a tile take all pixels, any other only those whose tap lies in
    the image, or one place outside of it if there are none.  One place a cycle; between two chunks
    two cycles, and one for each row or column (whichever are more) skipped at its start.

    Members
    -------
    i_start : start of a nest. i_nest : with it; its pixels are rows of the output.
    i_window : to be held from the start's next cycle on, until the last place has been taken.
    o : stream of ``tap_place``.
    o_busy : places are still to come.
    """

    def __init__(self, config: OverlayConfig) -> None:
        self._config = config
        line = unsigned(exact_log2(config.tensor_bytes))
        self._origin = data.StructLayout({"row": ROW, "line": line, "position": POSITION})
        super().__init__(
            {
                "i_start": In(1),
                "i_nest": In(NEST),
                "i_window": In(TAPS),
                "o": Out(stream.Signature(tap_place(config))),
                "o_busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        window = self.i_window
        m.submodules.tiles = tiles = Tiles()
        tile, tap = (Signal(self._origin, name=name) for name in ("tile", "tap"))
        row = Signal(self._origin)  # position: of its first pixel
        rows_left = Signal(16)
        first_pixel, pixel = (Signal(self._config.address_bits, name=n) for n in ("first", "pixel"))
        columns, columns_left = Signal(16), Signal(16)  # behind a row's first pixel, behind this
        position, following = Signal(POSITION), Signal(POSITION)
        whole = tiles.o_first_chunk | tiles.o_last_chunk
        above = ~whole & (row.row < 0) & (rows_left != 0)
        before = ~whole & (row.position < 0) & (columns != 0)
        empty = Signal()
        next_row, next_line = row.row + window.row_step, row.line + window.row_step_bytes
        ends_row = (columns_left == 0) | (~whole & (following >= window.row_pitch))
        ends_tile = (rows_left == 0) | (~whole & (next_row >= window.height))
        last = empty | (ends_row & ends_tile)
        o = self.o.p
        placed = Signal()
        free = ~self.o.valid | self.o.ready
        m.d.comb += [tiles.i_load.eq(self.i_start), tiles.i_nest.eq(self.i_nest)]
        with m.If(free):
            m.d.sync += [
                self.o.valid.eq(placed),
                o.address.eq((row.line + position)[: len(row.line)]),
                o.row_valid.eq((row.row >= 0) & (row.row < window.height)),
                o.position.eq(position),
                o.pixel.eq(pixel),
                o.last.eq(last),
            ]
        with m.FSM() as fsm:
            m.d.comb += self.o_busy.eq(~fsm.ongoing("IDLE") | self.o.valid)
            with m.State("IDLE"):
                with m.If(self.i_start):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [tap.eq(0), tile.row.eq(window.row0), tile.line.eq(window.address)]
                m.d.sync += tile.position.eq(window.position0)
                m.next = "CHUNK"
            with m.State("CHUNK"):
                m.d.sync += [
                    row.row.eq(tile.row + tap.row),
                    row.line.eq(tile.line + tap.line),
                    row.position.eq(tile.position + tap.position),
                    rows_left.eq(tiles.o_pixels - 1),
                    columns.eq(window.out_width - 1),
                    first_pixel.eq(0),
                ]
                m.next = "SEEK"
            with m.State("SEEK"):
                with m.If(above):
                    m.d.sync += [row.row.eq(next_row), row.line.eq(next_line)]
                    m.d.sync += rows_left.eq(rows_left - 1)
                with m.If(before):
                    m.d.sync += row.position.eq(row.position + window.column_step)
                    m.d.sync += columns.eq(columns - 1)
                m.d.sync += first_pixel.eq(first_pixel + Mux(above, window.out_width, 0) + before)
                with m.If(~above & ~before):
                    self._begin_row(m, row.position, columns, position, following, columns_left)
                    inside = (row.row >= 0) & (row.row < window.height)
                    inside &= (row.position >= 0) & (row.position < window.row_pitch)
                    m.d.sync += [pixel.eq(first_pixel), empty.eq(~whole & ~inside)]
                    m.next = "WALK"
            with m.State("WALK"):
                m.d.comb += placed.eq(1)
                with m.If(free):
                    m.d.sync += [
                        position.eq(following),
                        following.eq(following + window.column_step),
                        columns_left.eq(columns_left - 1),
                        pixel.eq(pixel + 1),
                    ]
                    with m.If(ends_row):
                        m.d.sync += [row.row.eq(next_row), row.line.eq(next_line)]
                        m.d.sync += rows_left.eq(rows_left - 1)
                        m.d.sync += first_pixel.eq(first_pixel + window.out_width)
                        m.d.sync += pixel.eq(first_pixel + window.out_width)
                        self._begin_row(m, row.position, columns, position, following, columns_left)
                with m.If(free & last):
                    m.d.comb += tiles.i_advance.eq(1)
                    m.next = "CHUNK"
                    with m.If(tiles.o_last_chunk):
                        # Its tap is the last one of all, and its last row the tile's.
                        m.d.sync += tile.row.eq(next_row - tap.row)
                        m.d.sync += tile.line.eq(next_line - tap.line)
                        with m.If(tiles.o_last_pixels):
                            m.d.sync += tile.row.eq(window.row0)
                            m.d.sync += tile.line.eq(window.address)
                    with m.If(tiles.o_final):
                        m.next = "IDLE"
        self._walk_taps(m, tap, tiles.i_advance, tiles.o_last_chunk)
        return m

    def _begin_row(
        self, m: Module, start: Value, columns: Value, position: Any, following: Any, left: Any
    ) -> None:
        m.d.sync += [
            position.eq(start),
            following.eq(start + self.i_window.column_step),
            left.eq(columns),
        ]

    def _walk_taps(self, m: Module, tap: Any, moves: Value, last_chunk: Value) -> None:
        """The word and the tap of a chunk: their part of the row's origin."""
        window = self.i_window
        column = Signal(POSITION)  # the tap column's part of the position
        word, column_number = Signal(16), Signal(8)
        last_word = word == window.run_words - 1
        last_column = column_number == window.tap_columns - 1
        with m.If(moves & ~last_word):
            m.d.sync += word.eq(word + 1)
            m.d.sync += tap.position.eq(tap.position + self._config.reduction)
        with m.Elif(moves):
            m.d.sync += word.eq(0)
            with m.If(~last_column):
                following = column + window.tap_column_step
                m.d.sync += [column.eq(following), tap.position.eq(following)]
                m.d.sync += column_number.eq(column_number + 1)
            with m.Else():
                m.d.sync += [column.eq(0), tap.position.eq(0), column_number.eq(0)]
                with m.If(last_chunk):
                    m.d.sync += [tap.row.eq(0), tap.line.eq(0)]
                with m.Else():
                    m.d.sync += tap.row.eq(tap.row + window.tap_row_step)
                    m.d.sync += tap.line.eq(tap.line + window.tap_row_bytes)
