"""The passes of a stage, one after the other, image after image."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out
from amaranth.utils import exact_log2

from hw.stages.shape import StageShape


def below(count: int) -> Shape:
    """A number below ``count``, of one bit at least."""
    return unsigned(max(1, (count - 1).bit_length()))


def at_least(value: Any, least: int) -> Any:
    """``value >= least``; nothing is compared where that holds for every number."""
    return value >= least if least > 0 else Const(1)


def ring_sum(turn: Any, words: int, ring: int) -> Any:
    """``turn + words`` around a ring of words."""
    words %= ring
    if words == 0:
        return turn
    return Mux(turn >= ring - words, turn - (ring - words), turn + words)


def group_sum(group: Any, more: Any, shape: StageShape) -> Any:
    """``group + more`` around the groups of edge entries, a power of two; one has no number."""
    return (group + more)[: exact_log2(shape.edge_groups)] if shape.edge_groups > 1 else Const(0)


def cells_layout(shape: StageShape) -> data.StructLayout:
    """Cells of an image, in rows: so many whole rows, and so many columns of the next."""
    return data.StructLayout({"column": below(shape.cells), "rows": range(shape.cells + 1)})


def pass_layout(shape: StageShape) -> data.StructLayout:
    """What is to be known of a pass.

    Members
    -------
    x, y : pixel of segment 0; the others' are those behind it.
    turn : of the banks with that pixel's cell, as the first word of it.
    edge : group of edge entries with the image's first row.
    tile : of output channels.
    weights : first row of the tile's weights.
    needs : cells of the image that must be there.
    frees : rows of cells that are done with when the pass is, and columns of the next.
    first, last : of a tile's passes within a step.
    step : first pass of a step.
    ends : last pass of an image.
    """
    return data.StructLayout(
        {
            "x": below(shape.size_out),
            "y": below(shape.size_out + 1),
            "turn": below(shape.turns * shape.cell_words),
            "edge": below(shape.edge_groups),
            "tile": below(shape.tiles),
            "weights": below(shape.weight_depth),
            "needs": cells_layout(shape),
            "frees": cells_layout(shape),
            "first": 1,
            "last": 1,
            "step": 1,
            "ends": 1,
        }
    )


class PassWalk(wiring.Component):
    """Tells of every pass: for each step, for each tile, for each pass of the step.

    Cells are freed in the last tile, as soon as no pixel to come reads them.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    o : stream of passes (`pass_layout`), without end; one a cycle.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        super().__init__({"o": Out(stream.Signature(pass_layout(shape)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        place = data.StructLayout(
            {name: pass_layout(shape)[name].shape for name in ("x", "y", "turn")}
        )
        now, begin, onward = (Signal(place, name=name) for name in ("now", "begin", "onward"))
        ring = shape.turns * shape.cell_words
        image, following = (Signal(place["turn"].shape, name=n) for n in ("image", "following"))
        m.d.comb += following.eq(ring_sum(image, shape.map_turns * shape.cell_words, ring))
        step_pass = Signal(below(shape.step_passes))
        step = Signal(below(shape.steps))
        tile, weights, edge = (
            Signal(pass_layout(shape)[name].shape, name=name)
            for name in ("tile", "weights", "edge")
        )
        freed = Signal(cells_layout(shape))
        last_pass, last_step, last_tile = (Signal(name=f"last_{n}") for n in ("p", "s", "t"))
        rest = shape.passes - (shape.steps - 1) * shape.step_passes
        m.d.comb += [
            last_step.eq(step == shape.steps - 1),
            last_pass.eq(step_pass == Mux(last_step, rest, shape.step_passes) - 1),
            last_tile.eq(tile == shape.tiles - 1),
        ]
        self._onward(m, now, onward)
        ends = Signal()
        target = Signal(cells_layout(shape))
        needs = self._needs(m, now)
        m.d.comb += [
            ends.eq(last_pass & last_step & last_tile),
            target.eq(freed),
        ]
        with m.If(last_tile & at_least(onward.y, shape.before)):
            m.d.comb += [
                target.rows.eq(onward.y - shape.before),
                target.column.eq(Mux(at_least(onward.x, shape.before), onward.x - shape.before, 0)),
            ]
        with m.If(ends):
            m.d.comb += [target.rows.eq(shape.cells), target.column.eq(0)]

        with m.If(~self.o.valid | self.o.ready):
            told = self.o.payload
            m.d.sync += [
                self.o.valid.eq(1),
                told.x.eq(now.x),
                told.y.eq(now.y),
                told.turn.eq(now.turn),
                told.edge.eq(edge),
                told.tile.eq(tile),
                told.weights.eq(weights),
                told.needs.eq(needs),
                told.frees.rows.eq(target.rows - freed.rows),
                told.frees.column.eq(target.column),
                told.first.eq(step_pass == 0),
                told.last.eq(last_pass),
                told.step.eq((step_pass == 0) & (tile == 0)),
                told.ends.eq(ends),
                freed.eq(Mux(ends, 0, target)),
                now.eq(onward),
                step_pass.eq(step_pass + 1),
            ]
            with m.If(last_pass):
                m.d.sync += [
                    step_pass.eq(0),
                    now.eq(begin),
                    tile.eq(tile + 1),
                    weights.eq(self._next_weights(weights)),
                ]
                with m.If(last_tile):
                    m.d.sync += [
                        tile.eq(0),
                        now.eq(onward),
                        begin.eq(onward),
                        step.eq(step + 1),
                    ]
                    with m.If(last_step):
                        m.d.sync += [
                            step.eq(0),
                            now.eq(0),
                            begin.eq(0),
                            now.turn.eq(following),
                            begin.turn.eq(following),
                            image.eq(following),
                            edge.eq(group_sum(edge, shape.map_edge_groups, shape)),
                        ]
        return m

    def _onward(self, m: Module, now: Any, onward: Any) -> None:
        """The place ``para_seg`` pixels further."""
        shape = self._shape
        x = Signal(range(2 * shape.size_out))
        rows, columns = divmod(shape.para_seg, shape.size_out)
        wraps = x >= shape.size_out
        m.d.comb += [
            x.eq(now.x + columns),
            onward.x.eq(Mux(wraps, x - shape.size_out, x)),
            onward.y.eq(now.y + rows + wraps),
            onward.turn.eq(ring_sum(now.turn, shape.cell_words, shape.turns * shape.cell_words)),
        ]

    def _needs(self, m: Module, now: Any) -> Any:
        """Cells up to the last pixel's lowest and rightmost."""
        shape = self._shape
        rows, columns = divmod(shape.para_seg - 1, shape.size_out)
        wraps = now.x >= shape.size_out - columns if columns else Const(0)
        x, y = Signal(range(2 * shape.size_out)), Signal(range(2 * shape.size_out + 2))
        needs = Signal(cells_layout(shape), name="needs")
        most = at_least(x, shape.cells - shape.reach - 1)  # the row's last cell, too
        m.d.comb += [
            x.eq(now.x + columns - Mux(wraps, shape.size_out, 0)),
            y.eq(now.y + rows + wraps),
        ]
        with m.If(at_least(y, shape.cells - shape.reach)):
            m.d.comb += needs.rows.eq(shape.cells)
        with m.Else():
            m.d.comb += [
                needs.rows.eq(y + shape.reach + most),
                needs.column.eq(Mux(most, 0, x + shape.reach + 1)),
            ]
        return needs

    def _next_weights(self, weights: Any) -> Any:
        """The next tile's rows: behind these, or the other half."""
        shape = self._shape
        end = shape.weight_depth - shape.wave_cycles
        return Mux(weights == end, 0, weights + shape.wave_cycles)
