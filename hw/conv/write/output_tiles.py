"""Where the results of Winograd tiles go: addresses and bounds of their pixels, by additions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.lib.algorithm import of_transform
from hw.lib.counted_steps import Steps
from hw.lib.sizes import check_sizes

# Moves from a word to the next, known before the step: to the next pixel of the line; to the next
# line of the tile; to the tile at the right; to the first tile below; and back to the first tile of
# the pixel tile, or with a tile's move: it is the first one of the next pixel tile.
MOVE = data.StructLayout({"pixel": 1, "line": 1, "right": 1, "below": 1, "restart": 1, "mark": 1})


class TileTrack(wiring.Component):
    """A sum of steps along lines and rows of tiles: an address or a coordinate.

    Members
    -------
    i_begin : to the base. i_step, i_move : the step that is made, see `MOVE`.
    i_base, i_pixel, i_line, i_right, i_below : the base, and what each move adds.
    o_value : the sum.
    """

    def __init__(self, *, bits: int) -> None:
        check_sizes(1, bits=bits)
        shape = unsigned(bits)
        steps = {f"i_{name}": In(shape) for name in ("base", "pixel", "line", "right", "below")}
        strobes = {"i_begin": In(1), "i_step": In(1), "i_move": In(MOVE)}
        super().__init__({**strobes, **steps, "o_value": Out(shape)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        move, value = self.i_move, self.o_value
        line, tile, row = (Signal.like(value, name=name) for name in ("line", "tile", "row"))
        first, first_row = (Signal.like(value, name=name) for name in ("first", "first_row"))
        following = Signal.like(value)
        m.d.comb += following.eq(Mux(move.below, row + self.i_below, tile + self.i_right))
        with m.If(self.i_step):
            with m.If(move.pixel):
                m.d.sync += value.eq(value + self.i_pixel)
            with m.If(move.line):
                m.d.sync += [value.eq(line + self.i_line), line.eq(line + self.i_line)]
            with m.If(move.right | move.below):
                m.d.sync += [value.eq(following), line.eq(following), tile.eq(following)]
                with m.If(move.below):
                    m.d.sync += row.eq(following)
                with m.If(move.mark):
                    m.d.sync += [first.eq(following), first_row.eq(Mux(move.below, following, row))]
            with m.If(move.restart):
                m.d.sync += [value.eq(first), line.eq(first), tile.eq(first), row.eq(first_row)]
        with m.If(self.i_begin):
            for register in (value, line, tile, row, first, first_row):
                m.d.sync += register.eq(self.i_base)
        return m


class OutputTiles(wiring.Component):
    """Walks the words of a Winograd layer: for pixel tile: for channels: for tile: for pixel.

    Members
    -------
    i_begin : to the first word. i_step : to the next one.
    i_transform : index. i_tiles, i_single : of this pixel tile; it is one. i_last_channels : the
    pixel tile's last ones.
    i_columns : tiles of a row. i_width, i_height : of the image.
    i_address, i_pitch, i_row_pitch : of the output; i_residual_* : of the residual.
    o_address, o_residual : of the word's pixel. o_inside : it is in the image.
    o_last : the last word of a pixel tile's channels.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        tensor = {"address": 32, "pitch": 24, "row_pitch": 24}
        super().__init__(
            {
                "i_begin": In(1),
                "i_step": In(1),
                "i_transform": In(1),
                "i_tiles": In(16),
                "i_single": In(1),
                "i_last_channels": In(1),
                "i_columns": In(16),
                "i_width": In(16),
                "i_height": In(16),
                **{f"i_{name}": In(bits) for name, bits in tensor.items()},
                **{f"i_residual_{name}": In(bits) for name, bits in tensor.items()},
                "o_address": Out(32),
                "o_residual": Out(32),
                "o_inside": Out(1),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        move = Signal(MOVE)
        self._walk(m, move)
        column = self._track(m, "column", move, (0, 1, 0), 17)
        row = self._track(m, "row", move, (0, 0, 1), 17)
        names = ("address", "pitch", "row_pitch")
        own = tuple(getattr(self, f"i_{name}") for name in names)
        residual = tuple(getattr(self, f"i_residual_{name}") for name in names)
        m.d.comb += [
            self.o_inside.eq((column < self.i_width) & (row < self.i_height)),
            self.o_address.eq(self._track(m, "target", move, own, 32)),
            self.o_residual.eq(self._track(m, "residual", move, residual, 32)),
        ]
        return m

    def _track(self, m: Module, name: str, move: Any, steps: Any, bits: int) -> Any:
        base, pixel, line = steps
        m.submodules[name] = track = TileTrack(bits=bits)

        def scaled(value: Any) -> Any:
            return of_transform(self._config, self.i_transform, lambda t: value * t.m)

        m.d.comb += [
            track.i_begin.eq(self.i_begin),
            track.i_step.eq(self.i_step),
            track.i_move.eq(move),
            track.i_base.eq(base),
            track.i_pixel.eq(pixel),
            track.i_line.eq(line),
            track.i_right.eq(scaled(pixel)),
            track.i_below.eq(scaled(line)),
        ]
        return track.o_value

    def _walk(self, m: Module, move: Any) -> None:
        """Counts pixels, lines and tiles."""
        edge = of_transform(self._config, self.i_transform, lambda t: t.m - 1)
        pixel, line = Signal(2, name="pixel"), Signal(2, name="line")
        column, first_column = (Signal(16, name=name) for name in ("column", "first_column"))
        last_pixel, last_line = pixel == edge, line == edge
        m.submodules.tiles = tiles = Steps(bits=16)
        last_tile = tiles.o_last
        single = Signal()  # column
        near = Signal(16)  # the last column but one
        last_column, first_is_last = (
            Signal(name=name) for name in ("last_column", "first_is_last")
        )
        m.d.sync += [single.eq(self.i_columns == 1), near.eq(self.i_columns - 2)]
        ends = last_pixel & last_line
        onward = ~last_tile | self.i_last_channels
        m.d.comb += [
            self.o_last.eq(ends & last_tile),
            tiles.i_count.eq(self.i_tiles),
            tiles.i_single.eq(self.i_single),
            tiles.i_advance.eq(self.i_step & ends),
            tiles.i_start.eq(self.i_begin),
        ]
        m.d.comb += [
            move.pixel.eq(~last_pixel),
            move.line.eq(last_pixel & ~last_line),
            move.right.eq(ends & onward & ~last_column),
            move.below.eq(ends & onward & last_column),
            move.mark.eq(last_tile),
            move.restart.eq(ends & ~onward),
        ]
        with m.If(self.i_step):
            m.d.sync += pixel.eq(Mux(last_pixel, 0, pixel + 1))
            with m.If(last_pixel):
                m.d.sync += line.eq(Mux(last_line, 0, line + 1))
            with m.If(ends):
                following = Mux(last_column, 0, column + 1)
                is_last = Mux(last_column, single, column == near)
                m.d.sync += column.eq(Mux(onward, following, first_column))
                m.d.sync += last_column.eq(Mux(onward, is_last, first_is_last))
                with m.If(last_tile & onward):
                    m.d.sync += [first_column.eq(following), first_is_last.eq(is_last)]
        with m.If(self.i_begin):
            for counter in (pixel, line, column, first_column):
                m.d.sync += counter.eq(0)
            for flag in (last_column, first_is_last):
                m.d.sync += flag.eq(self.i_columns == 1)
