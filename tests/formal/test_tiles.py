"""Tile counters: they visit what nested loops visit, in that order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from amaranth.hdl import Const, Mux, Signal
from amaranth.lib import data

from hw.conv.write.output_tiles import OutputTiles
from hw.isa import CONV
from hw.isa.config import TRANSFORMS, OverlayConfig
from hw.isa.transforms import F2, LINE4
from hw.lib.algorithm import multiple, of_transform
from hw.lib.tiles import SIZE, Axis, Tiles, place_layout
from tests.formal.kit import Proof, Verdict, mutated, rarely, seeded
from tests.rtl.test_winograd_layers import config as overlay_config

AXES = ("chunks", "pixels", "channels")
FLAGS = ("first", "last")


def stepped(axis: Any) -> Proof:
    """``while left: size = min(left, tile); left -= size``, again and again: what `Axis` promises.

    Whatever moves it, and however long the axis is.
    """
    proof = Proof(axis)
    m = proof.m
    bits = len(axis.i_length)
    length, tile, left, begun = Signal(bits), Signal(SIZE), Signal(bits), Signal()
    proof.assume(~axis.i_load | ((axis.i_length != 0) & (axis.i_tile != 0)))
    last = left <= tile
    with m.If(axis.i_load):
        m.d.sync += [length.eq(axis.i_length), tile.eq(axis.i_tile), left.eq(axis.i_length)]
        m.d.sync += begun.eq(1)
    with m.Elif(axis.i_advance):
        m.d.sync += left.eq(Mux(last, length, left - tile))

    proof.require(~begun | (axis.o_size == Mux(last, left, tile)))
    proof.require(~begun | (axis.o_single == (axis.o_size == 1)))
    proof.require(~begun | (axis.o_first == (left == length)))
    proof.require(~begun | (axis.o_last == last))
    for condition in _ahead(proof, length, tile, left):
        proof.require(~begun | condition)
    return proof


def _ahead(proof: Proof, length: Any, tile: Any, left: Any) -> Iterator[Any]:
    """What an axis knows of the step after this one, and of the first one."""
    layout = place_layout(len(length))
    now, start = (layout(proof.inner(name)) for name in ("now", "start"))
    yield (tile != 0) & (proof.inner("tile") == tile)
    yield proof.inner("single_tile") == (tile == 1)
    for one, rest in ((now, left), (start, length)):
        yield (rest != 0) & (one.size == Mux(rest <= tile, rest, tile))
        yield one.single == (one.size == 1)
        yield one.behind == (rest - tile)[: len(length)]
        yield (one.last == (rest <= tile)) & (one.last_next == (rest <= tile << 1))
    yield (left <= length) & (now.first == (left == length)) & start.first


def walked(tiles: Any) -> Proof:
    """``for channel tile: for pixel tile: for chunk``, or with the pixel tiles outside.

    Each loop is an `Axis`, of which `stepped` is proved: here it is enough that every one begins
    with its own length and moves when the loops inside of it end, and that the outputs are theirs.
    """
    proof = Proof(tiles)
    m = proof.m
    outside = Signal()
    with m.If(tiles.i_load):
        m.d.sync += outside.eq(tiles.i_pixels_outside)
    first, last = ({name: proof.inner(f"{name}.o_{flag}") for name in AXES} for flag in FLAGS)
    inner_pixels, inner_channels = ~outside, outside  # each inside of the other one
    chunk_ends = tiles.i_advance & last["chunks"]
    for name, size, advance in (
        ("chunks", 1, tiles.i_advance),
        ("pixels", tiles.i_nest.pixel_tile, chunk_ends & (inner_pixels | last["channels"])),
        ("channels", tiles.i_nest.channel_tile, chunk_ends & (inner_channels | last["pixels"])),
    ):
        proof.require(proof.inner(f"{name}.i_load") == tiles.i_load)
        proof.require(proof.inner(f"{name}.i_length") == tiles.i_nest[name])
        proof.require(proof.inner(f"{name}.i_tile") == size)
        proof.require(proof.inner(f"{name}.i_advance") == advance)
    for found, expected in (
        (tiles.o_pixels, proof.inner("pixels.o_size")),
        (tiles.o_channels, proof.inner("channels.o_size")),
        (tiles.o_single_pixel, proof.inner("pixels.o_single")),
        (tiles.o_single_channel, proof.inner("channels.o_single")),
        (tiles.o_first_chunk, first["chunks"]),
        (tiles.o_last_chunk, last["chunks"]),
        (tiles.o_first_pixels, first["pixels"]),
        (tiles.o_last_pixels, last["pixels"]),
        (tiles.o_last_channels, last["channels"]),
        (tiles.o_final, last["chunks"] & last["pixels"] & last["channels"]),
    ):
        proof.require(found == expected)
    proof.require(proof.inner("outside") == outside)
    return proof


WIDTHS = sorted({CONV[name].shape.width for name in AXES})


@pytest.mark.parametrize("bits", [WIDTHS[0], *rarely(*WIDTHS[1:])])
def test_axis(bits: int) -> None:
    assert stepped(Axis(bits=bits)).verdict(depth=1) is Verdict.PROVED


@seeded(
    ("step.last_next.eq(now.behind <= tile << 1)", "step.last_next.eq(now.behind < tile << 1)"),
    ("Mux(now.last_next, now.behind, tile)", "tile"),
    ("now.eq(Mux(now.last, start, step))", "now.eq(step)"),
)
def test_wrong_axes(text: str, other: str) -> None:
    axis = mutated(Axis, text, other)(bits=16)
    assert stepped(axis).refuted(depth=8)


def test_nest() -> None:
    assert walked(Tiles()).verdict(depth=1) is Verdict.PROVED


@seeded(
    ("(outside | pixels.o_last)", "pixels.o_last"),
    ("nest.chunks, 1, self.i_advance", "nest.chunks, 2, self.i_advance"),
)
def test_wrong_nests(text: str, other: str) -> None:
    assert walked(mutated(Tiles, text, other)()).refuted(depth=8)


def placed(tiles: Any, config: OverlayConfig) -> Proof:
    """``for pixel tile: for channels: for tile: for line: for pixel``, in rows of tiles."""
    proof = Proof(tiles)
    m = proof.m
    fresh = Signal()
    m.d.sync += fresh.eq(tiles.i_step & tiles.o_last)
    for name in ("i_transform", "i_columns"):
        _steady(proof, getattr(tiles, name), unless=tiles.i_begin)
    for name in ("i_tiles", "i_last_channels"):
        _steady(proof, getattr(tiles, name), unless=tiles.i_begin | fresh)
    proof.assume(~(fresh & tiles.i_step))
    proof.assume((tiles.i_tiles != 0) & (tiles.i_columns != 0))

    rows = of_transform(config, tiles.i_transform, lambda t: t.y.m)
    columns = of_transform(config, tiles.i_transform, lambda t: t.x.m)
    begun = Signal()
    place = data.StructLayout({"column": 16, "left": 17, "top": 17})
    first, here, following = Signal(place), Signal(place), Signal(place)
    number, line, pixel = Signal(16, name="number"), Signal(3, name="y"), Signal(3, name="x")
    tile_ends = (pixel == columns - 1) & (line == rows - 1)
    last = tile_ends & (number == tiles.i_tiles - 1)
    m.d.comb += [
        following.column.eq(here.column + 1),
        following.left.eq(here.left + columns),
        following.top.eq(here.top),
    ]
    with m.If(here.column == tiles.i_columns - 1):
        m.d.comb += [following.column.eq(0), following.left.eq(0)]
        m.d.comb += following.top.eq(here.top + rows)
    marks = Signal()  # the next pixel tile's first tile is reached, which is noted now
    m.d.sync += marks.eq(tiles.i_step & tiles.o_last & tiles.i_last_channels)
    with m.If(marks):
        m.d.sync += first.eq(here)
    with m.If(tiles.i_step):
        m.d.sync += pixel.eq(pixel + 1)
        with m.If(pixel == columns - 1):
            m.d.sync += [pixel.eq(0), line.eq(line + 1)]
        with m.If(tile_ends):
            m.d.sync += [line.eq(0), number.eq(number + 1), here.eq(following)]
        with m.If(last):
            m.d.sync += number.eq(0)
            with m.If(~tiles.i_last_channels):
                m.d.sync += here.eq(first)
    with m.If(tiles.i_begin):
        m.d.sync += [signal.eq(0) for signal in (first, here, number, line, pixel)]
        m.d.sync += begun.eq(1)

    x, y = (here.left + pixel)[:17], (here.top + line)[:17]
    held = begun & ~tiles.i_begin
    proof.require(~held | (tiles.o_last == last))
    proof.require(~begun | (proof.inner("column.o_value") == x))
    proof.require(~begun | (proof.inner("row.o_value") == y))
    inside = (x < tiles.i_width) & (y < tiles.i_height)
    proof.require(~begun | (tiles.o_inside == inside))

    for name, value in {
        "column.line": here.left,
        "column.tile": here.left,
        "column.row": 0,
        "column.first": first.left,
        "column.first_row": 0,
        "row.line": y,
        "row.tile": here.top,
        "row.row": here.top,
        "row.first": first.top,
        "row.first_row": first.top,
    }.items():
        proof.require(~begun | (proof.inner(name) == value))
    proof.require(~held | ((pixel < columns) & (line < rows) & (number < tiles.i_tiles)))
    for one, left, flag in (
        (here, "left", "last_column"),
        (first, "first_left", "first_is_last"),
    ):
        behind = (tiles.i_columns - 1 - one.column)[:16]
        proof.require(~held | (proof.inner(left) == behind))
        proof.require(~held | (one.column < tiles.i_columns))
        proof.require(~held | (proof.inner(flag) == (one.column == tiles.i_columns - 1)))
    for name, step in (("column.i_right", columns), ("row.i_below", rows)):
        proof.require(~held | (proof.inner(name) == step))
    proof.require(~held | (proof.inner("single") == (tiles.i_columns == 1)))
    proof.require(~held | (proof.inner("most") == (tiles.i_columns - 1)[:16]))
    proof.require((tiles.o_looks == fresh) & (proof.inner("_marks") == marks))
    proof.require(~marks | fresh)
    proof.require(~(begun & fresh) | ((pixel == 0) & (line == 0) & (number == 0)))

    def words(value: Any) -> Any:
        """Of so many tiles."""
        return of_transform(config, tiles.i_transform, lambda t: multiple(value, t.pixels))

    in_tile = of_transform(config, tiles.i_transform, lambda t: multiple(line, t.x.m)) + pixel
    for loop, step, count, known in (
        ("line", pixel, columns, held),
        ("tile", in_tile, words(Const(1, 1)), held),
        ("words", words(number) + in_tile, words(tiles.i_tiles), held & ~fresh),
    ):
        proof.require(~known | (proof.inner(f"{loop}.left") == count - 1 - step))
        proof.require(~known | (proof.inner(f"{loop}.o_last") == (step == count - 1)))
    return proof


def _steady(proof: Proof, value: Any, *, unless: Any) -> None:
    """The contract: it changes in certain cycles only."""
    before, later = Signal.like(value), Signal()
    proof.m.d.sync += [before.eq(value), later.eq(1)]
    proof.assume(~later | unless | (before == value))


CONFIG = overlay_config(1, "f2")


@pytest.mark.parametrize("winograd", ["mixed", *rarely("both", "all")])
def test_output_tiles(winograd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two squares; a square beside a line, which is not as wide as high; all four take longer."""
    monkeypatch.setitem(TRANSFORMS, "mixed", (F2, LINE4))
    config = overlay_config(1, winograd)
    assert placed(OutputTiles(config=config), config).verdict(depth=1) is Verdict.PROVED


@seeded(
    ("Mux(restart, first_left, following)", "following"),
    ("is_last = Mux(last_column, single, left == 1)", "is_last = left == 1"),
    ("restart = words.o_last & ~self.i_last_channels", "restart = words.o_last"),
    ("Mux(move.below, below, row)", "row"),
)
def test_wrong_output_tiles(text: str, other: str) -> None:
    tiles = mutated(OutputTiles, text, other)(config=CONFIG)
    assert placed(tiles, CONFIG).refuted(depth=14)
