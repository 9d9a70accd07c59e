"""Where the results of Winograd tiles go: addresses and bounds of their pixels, by additions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.isa.transforms import Transform
from hw.lib.algorithm import multiple, of_transform
from hw.lib.rounds import Rounds
from hw.lib.sizes import check_sizes

# Moves from a word to the next, known before the step: to the next pixel of the line; to the next
# line of the tile; back to the first tile of the pixel tile; or, if none of these, to the first
# tile below, or else to the tile at the right.
MOVE = data.StructLayout({"pixel": 1, "line": 1, "restart": 1, "below": 1})


class TileTrack(wiring.Component):
    """A sum of steps along lines and rows of tiles: an address or a coordinate.

    Members
    -------
    i_begin : to the base. i_step, i_move : the step that is made, see `MOVE`. i_mark : the tile is
    its pixel tile's first.
    i_base, i_pixel, i_line, i_right, i_below : the base, and what each move adds.
    o_value : the sum.
    """

    def __init__(self, *, bits: int) -> None:
        check_sizes(1, bits=bits)
        shape = unsigned(bits)
        steps = {f"i_{name}": In(shape) for name in ("base", "pixel", "line", "right", "below")}
        strobes = {"i_begin": In(1), "i_step": In(1), "i_move": In(MOVE), "i_mark": In(1)}
        super().__init__({**strobes, **steps, "o_value": Out(shape)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        move, value = self.i_move, self.o_value
        line, tile, row = (Signal.like(value, name=name) for name in ("line", "tile", "row"))
        first, first_row = (Signal.like(value, name=name) for name in ("first", "first_row"))
        following, below, right = (Signal.like(value, name=n) for n in ("next", "below", "right"))
        m.d.comb += [
            below.eq(row + self.i_below),
            right.eq(tile + self.i_right),
            following.eq(Mux(move.below, below, right)),
        ]
        next_tile = Mux(move.restart, first, following)
        next_line = Mux(move.line, line + self.i_line, next_tile)
        with m.If(self.i_step):
            m.d.sync += value.eq(Mux(move.pixel, value + self.i_pixel, next_line))
            with m.If(~move.pixel):
                m.d.sync += line.eq(next_line)
            with m.If(~move.pixel & ~move.line):
                m.d.sync += tile.eq(next_tile)
                m.d.sync += row.eq(Mux(move.restart, first_row, Mux(move.below, below, row)))
        with m.If(self.i_mark):
            m.d.sync += [first.eq(tile), first_row.eq(row)]
        with m.If(self.i_begin):
            for register in (value, line, tile, row, first, first_row):
                m.d.sync += register.eq(self.i_base)
        return m


class OutputTiles(wiring.Component):
    """Walks the words of a Winograd layer: for pixel tile: for channels: for tile: for pixel.

    Members
    -------
    i_begin : to the first word. i_step : to the next one; not in the same cycle.
    i_transform : index. i_tiles : of this pixel tile. i_last_channels : the pixel tile's last ones.
    i_columns : tiles of a row. i_width, i_height : of the image.
    i_address, i_pitch, i_row_pitch : of the output; i_residual_* : of the residual.
    o_address, o_residual : of the word's pixel. o_inside : it is in the image.
    o_last : the last word of a pixel tile's channels. o_looks : the cycle behind it, in which the
    next tile is looked at; no step may be made.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        tensor = {"address": 32, "pitch": 24, "row_pitch": 24}
        super().__init__(
            {
                "i_begin": In(1),
                "i_step": In(1),
                "i_transform": In(config.transform_bits),
                "i_tiles": In(16),
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
                "o_looks": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        move = Signal(MOVE)
        self._marks = Signal()  # the tile is its pixel tile's first
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

        m.d.comb += [
            track.i_begin.eq(self.i_begin),
            track.i_step.eq(self.i_step),
            track.i_move.eq(move),
            track.i_mark.eq(self._marks),
            track.i_base.eq(base),
            track.i_pixel.eq(pixel),
            track.i_line.eq(line),
        ]
        # The first step comes a cycle behind the beginning, at the earliest.
        m.d.sync += [
            track.i_right.eq(self._scaled(pixel, lambda t: t.x.m)),
            track.i_below.eq(self._scaled(line, lambda t: t.y.m)),
        ]
        return track.o_value

    def _scaled(self, step: Any, size: Callable[[Transform], int]) -> Any:
        """A step from tile to tile."""
        return of_transform(self._config, self.i_transform, lambda t: multiple(step, size(t)))

    def _walk(self, m: Module, move: Any) -> None:
        """Counts the words of a line, of a tile and of all tiles, each for itself, and columns."""
        left, first_left = (Signal(16, name=n) for n in ("left", "first_left"))  # columns behind
        config, index = self._config, self.i_transform
        m.submodules.line = line = Rounds(bits=3)
        m.submodules.tile = tile = Rounds(bits=5)
        m.submodules.words = words = Rounds(bits=20)
        single = Signal()  # column
        most = Signal(16)  # columns behind the first one
        last_column, first_is_last = (
            Signal(name=name) for name in ("last_column", "first_is_last")
        )
        m.d.sync += [single.eq(self.i_columns == 1), most.eq(self.i_columns - 1)]
        m.d.comb += line.i_single.eq(of_transform(config, index, lambda t: int(t.x.m == 1)))
        for loop, starts, count in (
            (line, self.i_begin, of_transform(config, index, lambda t: t.x.m)),
            (tile, self.i_begin, of_transform(config, index, lambda t: t.pixels)),
            (
                words,
                self.i_begin | self.o_looks,
                of_transform(config, index, lambda t: multiple(self.i_tiles, t.pixels)),
            ),
        ):
            m.d.comb += [
                loop.i_start.eq(starts),
                loop.i_advance.eq(self.i_step),
                loop.i_count.eq(count),
            ]
        restart = words.o_last & ~self.i_last_channels
        m.d.comb += self.o_last.eq(words.o_last)
        marks = self._marks
        m.d.sync += self.o_looks.eq(self.i_step & self.o_last)
        m.d.sync += marks.eq(self.i_step & self.o_last & self.i_last_channels)
        m.d.comb += [
            move.pixel.eq(~line.o_last),
            move.line.eq(line.o_last & ~tile.o_last),
            move.below.eq(last_column),
            move.restart.eq(restart),
        ]
        following = Mux(last_column, most, left - 1)
        is_last = Mux(last_column, single, left == 1)
        with m.If(self.i_step & tile.o_last):
            m.d.sync += left.eq(Mux(restart, first_left, following))
            m.d.sync += last_column.eq(Mux(restart, first_is_last, is_last))
        with m.If(marks):
            m.d.sync += [first_left.eq(left), first_is_last.eq(last_column)]
        with m.If(self.i_begin):
            for counter in (left, first_left):
                m.d.sync += counter.eq(self.i_columns - 1)
            for flag in (last_column, first_is_last):
                m.d.sync += flag.eq(self.i_columns == 1)
