"""The way of an arriving map into the banks of the input ring."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import ROW_LATENCY
from hw.lib.pipelining import delayed
from hw.stages.pass_walk import below, cells_layout, group_sum, ring_sum
from hw.stages.shape import StageShape


def beat_layout(width: int, bits: int) -> data.ArrayLayout:
    """Channels of a pixel, side by side."""
    return data.ArrayLayout(bits, width)


def bank_write_layout(shape: StageShape) -> data.StructLayout:
    """A write into a bank: which bank, which group of it, which row and which beat of the row."""
    return data.StructLayout(
        {
            "enable": 1,
            "bank": below(shape.para_seg),
            "group": below(shape.touched),
            "row": below(shape.bank_depth),
            "part": below(shape.row_lanes // shape.source.width),
            "values": beat_layout(shape.source.width, shape.bits),
        }
    )


class RingWrite(wiring.Component):
    """Writes the beats of map after map; waits before a cell that has no room.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : stream of beats, as ``shape.source`` says.
    i_frees : In. Rows of cells that are done with, and, as long as that is so, columns of the next.
    o : Out. Writes.
    o_cell, o_row : Out. A cell is in the banks, whole, or a row's last one.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(shape.source.width, shape.bits))),
                "i_frees": In(cells_layout(shape)),
                "o": Out(bank_write_layout(shape)),
                "o_cell": Out(1),
                "o_row": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        taken, pixel, row = (Signal(name=n) for n in ("taken", "pixel_over", "row_over"))
        tile, image = Signal(name="tile_over"), Signal(name="image_over")
        x, y = (Signal(below(shape.size_in), name=n) for n in "xy")
        last_x, last_y = x == shape.size_in - 1, y == shape.size_in - 1
        channel = self._channel(m, taken, pixel, tile, image)
        m.d.comb += [
            row.eq(pixel & last_x),
            tile.eq(row & last_y),
            image.eq(tile & channel["last"]),
        ]
        with m.If(pixel):
            m.d.sync += x.eq(Mux(last_x, 0, x + 1))
        with m.If(row):
            m.d.sync += y.eq(Mux(last_y, 0, y + 1))
        place = self._place(m, x, y, pixel, row, tile, image)
        begins = place["begins"] & channel["first"]
        room = self._room(m, begins & (x < shape.used), place["column"], begins & row)
        m.d.comb += [self.i.ready.eq(room), taken.eq(self.i.valid & room)]

        within = Signal(below(shape.cell_words))
        m.d.sync += [
            within.eq(place["within"] + channel["word"]),
            self.o.enable.eq(delayed(m, taken & place["used"], 1, name="taken")),
            self.o.bank.eq(delayed(m, place["bank"], 1, name="bank")),
            self.o.group.eq(delayed(m, channel["group"], 1, name="group")),
            self.o.part.eq(delayed(m, channel["part"], 1, name="part")),
            self.o.row.eq(delayed(m, place["first"], 1, name="first") + within),
            self.o.values.eq(delayed(m, self.i.payload.as_value(), 1, name="values")),
        ]
        complete = pixel & place["completes"] & channel["last"]
        ends = place["column"] == shape.cells - 1
        cell = complete & place["cell_over"] & place["used"] & ~ends
        cells = complete & last_x
        m.d.comb += [
            self.o_cell.eq(delayed(m, cell, ROW_LATENCY, name="cell")),
            self.o_row.eq(delayed(m, cells, ROW_LATENCY, name="cells")),
        ]
        return m

    def _room(self, m: Module, begins: Any, column: Any, over: Any) -> Any:
        """Room for the next beat, if it lies in a cell that begins in this row; ``over``: the last.

        The row is free as a whole, or as far as the one is done with whose place it takes.
        """
        shape = self._shape
        rows = Signal(range(shape.live_rows + 1), init=shape.live_rows)  # from this one on
        m.d.sync += rows.eq(rows + self.i_frees.rows - over)
        return ~begins | (rows != 0) | (column < self.i_frees.column)

    def _channel(self, m: Module, taken: Any, pixel: Any, tile: Any, image: Any) -> dict[str, Any]:
        """Where the beat's channels lie: word of the pixel, part of the word, and group."""
        shape, link = self._shape, self._shape.source
        layout = data.StructLayout(
            {
                "part": below(shape.row_lanes // link.width),
                "beat": below(-(-shape.n_in // link.width)),
                "word": below(shape.pixel_words),
                "base": below(shape.pixel_words),
                "group": below(shape.touched),
            }
        )
        now, begin, onward = (Signal(layout, name=n) for n in ("channel", "tile_channel", "next"))
        parts = shape.row_lanes // link.width
        last_part = now.part == parts - 1
        last_beat = now.beat == -(-shape.n_in // link.width) - 1
        m.d.comb += [
            onward.eq(now),
            onward.part.eq(Mux(last_part, 0, now.part + 1)),
            onward.word.eq(now.word + last_part),
            onward.beat.eq(now.beat + 1),
        ]
        with m.If(last_beat):  # the next group
            last_group = now.group == shape.touched - 1
            base = Mux(last_group, now.base + shape.group_words, now.base)
            m.d.comb += [
                onward.part.eq(0),
                onward.beat.eq(0),
                onward.group.eq(Mux(last_group, 0, now.group + 1)),
                onward.base.eq(base),
                onward.word.eq(base),
            ]
        of_tile = -(-link.tile // link.width)
        rest = -(-(link.channels - (link.tiles - 1) * link.tile) // link.width)
        number = Signal(below(of_tile))
        tiles = Signal(below(link.tiles))
        last_tile = tiles == link.tiles - 1
        m.d.comb += pixel.eq(taken & (number == Mux(last_tile, rest, of_tile) - 1))
        with m.If(taken):
            m.d.sync += [now.eq(onward), number.eq(number + 1)]
        with m.If(pixel):
            m.d.sync += [now.eq(begin), number.eq(0)]
        with m.If(tile):
            m.d.sync += [now.eq(onward), begin.eq(onward), tiles.eq(tiles + 1)]
        with m.If(image):
            m.d.sync += [now.eq(0), begin.eq(0), tiles.eq(0)]
        return {
            "word": now.word,
            "part": now.part,
            "group": now.group,
            "first": tiles == 0,
            "last": last_tile,
        }

    def _place(
        self, m: Module, x: Any, y: Any, pixel: Any, row: Any, tile: Any, image: Any
    ) -> dict[str, Any]:
        """Where the pixel lies: bank, first word of its cell, and place in the cell."""
        shape = self._shape
        ring = shape.turns * shape.cell_words
        spot = data.StructLayout({"bank": below(shape.para_seg), "turn": below(ring)})
        now, begin, onward, downward = (
            Signal(spot, name=n) for n in ("spot", "row_spot", "right", "down")
        )
        rows, columns = divmod(shape.size_out, shape.para_seg)
        _move(m, now, 0, 1 % shape.para_seg, onward, shape, more=shape.para_seg == 1)
        _move(m, begin, rows, columns, downward, shape)
        image_turn, next_turn = (Signal(below(ring), name=n) for n in ("image_turn", "next_turn"))
        m.d.comb += next_turn.eq(ring_sum(image_turn, shape.map_turns * shape.cell_words, ring))
        sub_x, sub_y = (Signal(below(shape.stride), name=f"sub_{n}") for n in "xy")
        last_sub = sub_x == shape.stride - 1, sub_y == shape.stride - 1
        cell_over = row & last_sub[1]
        column = Signal(range(-(-shape.size_in // shape.stride) + 1))
        with m.If(pixel):
            m.d.sync += sub_x.eq(Mux(last_sub[0], 0, sub_x + 1))
            with m.If(last_sub[0]):
                m.d.sync += [now.eq(onward), column.eq(column + 1)]
        with m.If(row):
            m.d.sync += column.eq(0)
            m.d.sync += [sub_x.eq(0), sub_y.eq(Mux(last_sub[1], 0, sub_y + 1)), now.eq(begin)]
        with m.If(cell_over):
            m.d.sync += [now.eq(downward), begin.eq(downward)]
        with m.If(tile):
            m.d.sync += [now.eq(0), begin.eq(0), sub_y.eq(0)]
            m.d.sync += [now.turn.eq(image_turn), begin.turn.eq(image_turn)]
        with m.If(image):
            m.d.sync += [now.turn.eq(next_turn), begin.turn.eq(next_turn), image_turn.eq(next_turn)]
        first = Signal(below(shape.bank_depth))
        m.d.comb += first.eq(now.turn)
        if shape.edges:
            self._edges(m, first, column, cell_over, tile, image)
        return {
            "bank": now.bank,
            "first": first,
            "within": (sub_y * shape.stride + sub_x) * shape.pixel_words,
            "used": (x < shape.used) & (y < shape.used),
            "column": column,
            "cell_over": last_sub[0],
            "begins": (sub_y == 0) & (y < shape.used),
            "completes": (last_sub[1] & (y < shape.used)) | (y == shape.used - 1),
        }

    def _edges(
        self, m: Module, first: Any, column: Any, cell_row: Any, tile: Any, image: Any
    ) -> None:
        """Right of the last output column, cells lie in edge entries."""
        shape = self._shape
        line = Signal(below(1 << shape.edge_log))
        group, image_group = (Signal(below(shape.edge_groups), name=n) for n in ("group", "origin"))
        with m.If(cell_row):
            m.d.sync += line.eq(line + 1 if shape.edge_log else 0)
            with m.If(line == (1 << shape.edge_log) - 1):
                m.d.sync += group.eq(group_sum(group, 1, shape))
        with m.If(tile):
            m.d.sync += [line.eq(0), group.eq(image_group)]
        with m.If(image):
            following = group_sum(image_group, shape.map_edge_groups, shape)
            m.d.sync += [group.eq(following), image_group.eq(following)]
        entry = group * shape.edge_columns + (column - shape.size_out)[: len(column)]
        with m.If(column >= shape.size_out):
            m.d.comb += first.eq((shape.turns + entry) * shape.cell_words)


def _move(
    m: Module, spot: Any, turns: int, banks: int, to: Any, shape: StageShape, more: bool = False
) -> None:
    """``to`` lies so many turns and banks behind ``spot``; ``more``: another turn."""
    ring = shape.turns * shape.cell_words
    straight = ring_sum(spot.turn, (turns + more) * shape.cell_words, ring)
    wrapped = ring_sum(spot.turn, (turns + 1) * shape.cell_words, ring)
    wraps = spot.bank >= shape.para_seg - banks if banks else 0
    m.d.comb += [
        to.bank.eq(Mux(wraps, spot.bank - (shape.para_seg - banks), spot.bank + banks)),
        to.turn.eq(Mux(wraps, wrapped, straight)),
    ]
