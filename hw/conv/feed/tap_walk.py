"""The walk of a unit convolution (kn2row): only the pixels whose tap lies inside the image."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.isa import WINDOW
from hw.isa.config import OverlayConfig
from hw.lib.counted_steps import Steps
from hw.lib.relay import Relay
from hw.lib.tiles import NEST, Tiles
from hw.lib.window import POSITION, ROW

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


def origin_layout(config: OverlayConfig) -> data.StructLayout:
    """Where something begins in the input: its row, that row's byte address, a byte of the row."""
    line = unsigned(exact_log2(config.tensor_bytes))
    return data.StructLayout({"row": ROW, "line": line, "position": POSITION})


class TapOffset(wiring.Component):
    """What a chunk's tap and word add to the origin of a row, by additions.

    Members
    -------
    i_begin : back to the first tap.
    i_advance : to the next word of the tap, or to the next tap; behind the last one back to the
    first if ``i_last_chunk``.
    i_window : held.
    o : ``origin_layout``.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._reduction = config.reduction
        super().__init__(
            {
                "i_begin": In(1),
                "i_advance": In(1),
                "i_last_chunk": In(1),
                "i_window": In(TAPS),
                "o": Out(origin_layout(config)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        window, tap = self.i_window, self.o
        m.submodules.words = words = Steps(bits=len(window.run_words))
        m.submodules.columns = columns = Steps(bits=len(window.tap_columns))
        column = Signal(POSITION)  # the tap column's part of the position
        m.d.comb += [
            words.i_count.eq(window.run_words),
            words.i_advance.eq(self.i_advance),
            columns.i_count.eq(window.tap_columns),
            columns.i_advance.eq(self.i_advance & words.o_last),
        ]
        for steps in (words, columns):
            single = Signal(name="single")
            m.d.sync += single.eq(steps.i_count == 1)
            m.d.comb += [steps.i_single.eq(single), steps.i_start.eq(self.i_begin)]
        with m.If(self.i_advance & ~words.o_last):
            m.d.sync += tap.position.eq(tap.position + self._reduction)
        with m.Elif(self.i_advance & ~columns.o_last):
            following = column + window.tap_column_step
            m.d.sync += [column.eq(following), tap.position.eq(following)]
        with m.Elif(self.i_advance):
            m.d.sync += [column.eq(0), tap.position.eq(0)]
            m.d.sync += tap.row.eq(tap.row + window.tap_row_step)
            m.d.sync += tap.line.eq(tap.line + window.tap_row_bytes)
            with m.If(self.i_last_chunk):
                m.d.sync += [tap.row.eq(0), tap.line.eq(0)]
        with m.If(self.i_begin):
            m.d.sync += tap.eq(0)
        return m


class RowWalk(wiring.Component):
    """Walks the pixels of a chunk, row by row; a part chunk leaves out what lies outside the image.

    Members
    -------
    i_window : held. i_whole : all pixels are taken; held.
    i_begin, i_origin, i_rows, i_single : start of a chunk; of its first pixel; rows of the tile;
    they are one.
    i_seek : a cycle to look for the first row and column inside, until ``o_found``.
    i_step : the current place is taken.
    o_found : the first place is the next cycle's.
    o_place : the current one. o_last : of the chunk.
    o_next_row, o_next_line : of the row below the current one.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        origin = origin_layout(config)
        self._pixel = unsigned(config.address_bits)
        super().__init__(
            {
                "i_window": In(TAPS),
                "i_whole": In(1),
                "i_begin": In(1),
                "i_origin": In(origin),
                "i_rows": In(unsigned(16)),
                "i_single": In(1),
                "i_seek": In(1),
                "i_step": In(1),
                "o_found": Out(1),
                "o_place": Out(tap_place(config)),
                "o_next_row": Out(ROW),
                "o_next_line": Out(origin["line"].shape),
            }
        )
        self._row = Signal(origin)  # position: of its first pixel
        self._rows_left = Signal(16)
        self._more_rows = Signal()
        self._columns = Signal(16)  # behind a row's first pixel
        self._more_columns = Signal()
        self._first_pixel = Signal(self._pixel)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        window, row = self.i_window, self._row
        m.d.comb += [
            self.o_next_row.eq(row.row + window.row_step),
            self.o_next_line.eq(row.line + window.row_step_bytes),
        ]
        with m.If(self.i_begin):
            m.d.sync += [
                row.eq(self.i_origin),
                self._rows_left.eq(self.i_rows - 1),
                self._more_rows.eq(~self.i_single),
                self._columns.eq(window.out_width - 1),
                self._more_columns.eq(window.out_width != 1),
                self._first_pixel.eq(0),
            ]
        outside = Signal()  # a part chunk without a place inside
        found = self._seek(m, outside)
        self._walk(m, outside, found)
        return m

    def _seek(self, m: Module, outside: Signal) -> Any:
        """Skips a row and a column a cycle, until the first place is inside or none is left."""
        window, row, part = self.i_window, self._row, ~self.i_whole
        above = part & (row.row < 0) & self._more_rows
        before = part & (row.position < 0) & self._more_columns
        inside = (row.row >= 0) & (row.row < window.height)
        inside &= (row.position >= 0) & (row.position < window.row_pitch)
        m.d.comb += self.o_found.eq(self.i_seek & ~above & ~before)
        with m.If(self.i_seek & before):
            m.d.sync += row.position.eq(row.position + window.column_step)
            m.d.sync += self._columns.eq(self._columns - 1)
            m.d.sync += self._more_columns.eq(self._columns != 1)
        with m.If(self.i_seek):
            skipped = Mux(above, window.out_width, 0) + before
            m.d.sync += self._first_pixel.eq(self._first_pixel + skipped)
            m.d.sync += outside.eq(part & ~inside)
        with m.If(self.i_seek & above):
            self._descend(m)
        return self.o_found

    def _descend(self, m: Module) -> None:
        m.d.sync += [self._row.row.eq(self.o_next_row), self._row.line.eq(self.o_next_line)]
        m.d.sync += self._rows_left.eq(self._rows_left - 1)
        m.d.sync += self._more_rows.eq(self._rows_left != 1)

    def _walk(self, m: Module, outside: Signal, found: Any) -> None:
        """Whether the place ends its row or the tile is known with the place, from where the
        first one outside of the image would be: a step or two behind the edges."""
        window, row, part = self.i_window, self._row, ~self.i_whole
        position = Signal(POSITION)
        pixel = Signal(self._pixel)
        columns_left = Signal(16)
        ends_row, ends_tile = Signal(), Signal()
        # A place beyond these has none, or at most one, behind it.
        right, near_right = Signal(POSITION), Signal(POSITION)
        bottom, near_bottom = Signal(ROW), Signal(ROW)
        m.d.sync += [
            right.eq(window.row_pitch - window.column_step),
            near_right.eq(window.row_pitch - (window.column_step << 1)),
            bottom.eq(window.height - window.row_step),
            near_bottom.eq(window.height - (window.row_step << 1)),
        ]
        next_first = self._first_pixel + window.out_width
        place = self.o_place
        m.d.comb += [
            place.address.eq((row.line + position)[: len(row.line)]),
            place.row_valid.eq((row.row >= 0) & (row.row < window.height)),
            place.position.eq(position),
            place.pixel.eq(pixel),
            place.last.eq(outside | (ends_row & ends_tile)),
        ]
        with m.If(self.i_step):
            m.d.sync += [
                position.eq(position + window.column_step),
                columns_left.eq(columns_left - 1),
                pixel.eq(pixel + 1),
                ends_row.eq((columns_left == 1) | (part & (position >= near_right))),
            ]
        begins = found | (self.i_step & ends_row)
        with m.If(self.i_step & ends_row):
            self._descend(m)
            m.d.sync += self._first_pixel.eq(next_first)
            m.d.sync += ends_tile.eq((self._rows_left == 1) | (part & (row.row >= near_bottom)))
        with m.If(found):
            m.d.sync += ends_tile.eq(~self._more_rows | (part & (row.row >= bottom)))
        with m.If(begins):
            m.d.sync += [
                position.eq(row.position),
                columns_left.eq(self._columns),
                pixel.eq(Mux(found, self._first_pixel, next_first)),
                ends_row.eq(~self._more_columns | (part & (row.position >= right))),
            ]


class TapWalker(wiring.Component):
    """Walks ``for channel tile: for rows of a pixel tile: for tap: for word: for pixel``.

    The first and the last chunk of a tile take all pixels, any other only those whose tap lies in
    the image, or one place outside of it if there are none.  One place a cycle; between two chunks
    two cycles, and one for each row or column (whichever are more) skipped at its start.

    Members
    -------
    i_start : start of a nest. i_nest : with it; its pixels are rows of the output.
    i_window : to be held from the start's next cycle on, until the last place has been taken.
    o : stream of ``tap_place``; what it waits for reaches the walk a cycle later: `Relay`.
    o_busy : places are still to come.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
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
        m.submodules.tiles = tiles = Tiles()
        m.submodules.tap = tap = TapOffset(config=self._config)
        m.submodules.rows = rows = RowWalk(config=self._config)
        tile = Signal(origin_layout(self._config))
        m.submodules.relay = relay = Relay(shape=tap_place(self._config))
        connect(m, relay.o, flipped(self.o))
        walking, ends = Signal(), Signal()
        m.d.comb += [
            tiles.i_load.eq(self.i_start),
            tiles.i_nest.eq(self.i_nest),
            tiles.i_advance.eq(ends),
            tap.i_window.eq(self.i_window),
            tap.i_advance.eq(ends),
            tap.i_last_chunk.eq(tiles.o_last_chunk),
            rows.i_window.eq(self.i_window),
            rows.i_whole.eq(tiles.o_first_chunk | tiles.o_last_chunk),
            rows.i_rows.eq(tiles.o_pixels),
            rows.i_single.eq(tiles.o_single_pixel),
            rows.i_origin.row.eq(tile.row + tap.o.row),
            rows.i_origin.line.eq(tile.line + tap.o.line),
            rows.i_origin.position.eq(tile.position + tap.o.position),
            rows.i_step.eq(walking & relay.i.ready),
            ends.eq(rows.i_step & rows.o_place.last),
            relay.i.valid.eq(walking),
            relay.i.payload.eq(rows.o_place),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.o_busy.eq(~fsm.ongoing("IDLE") | self.o.valid)
            with m.State("IDLE"):
                with m.If(self.i_start):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += tap.i_begin.eq(1)
                m.next = "CHUNK"
            with m.State("CHUNK"):
                m.d.comb += rows.i_begin.eq(1)
                m.next = "SEEK"
            with m.State("SEEK"):
                m.d.comb += rows.i_seek.eq(1)
                m.d.sync += walking.eq(rows.o_found)
                with m.If(rows.o_found):
                    m.next = "WALK"
            with m.State("WALK"):
                with m.If(ends):
                    m.d.sync += walking.eq(0)
                    m.next = "CHUNK"
                with m.If(ends & tiles.o_final):
                    m.next = "IDLE"
        first = tap.i_begin | tiles.o_last_pixels
        self._follow(m, tile, first, tap.i_begin | (ends & tiles.o_last_chunk), rows, tap)
        return m

    def _follow(self, m: Module, tile: Any, first: Any, moves: Any, rows: Any, tap: Any) -> None:
        """The origin of a tile's first row: the image's, or behind the tile before.

        The tile's last chunk is that of the last tap of all, and its last row the tile's.
        """
        window = self.i_window
        with m.If(moves):
            m.d.sync += [
                tile.row.eq(Mux(first, window.row0, rows.o_next_row - tap.o.row)),
                tile.line.eq(Mux(first, window.address, rows.o_next_line - tap.o.line)),
                tile.position.eq(window.position0),
            ]
