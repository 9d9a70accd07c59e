"""Waves: a pass's steps over taps and input channels, once all that it takes is there."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.stages.pass_walk import below, cells_layout, pass_layout
from hw.stages.shape import StageShape


def wave_layout(shape: StageShape) -> data.StructLayout:
    """What a cycle of the stage works on.

    Members
    -------
    valid : there is work. first, last : of a pass.
    x, y, turn, edge, tile : as the pass's.
    tap : of the kernel, row by row. word, slice : of the input channels.
    weights : row of the weights.
    """
    told = pass_layout(shape)
    return data.StructLayout(
        {
            "valid": 1,
            "first": 1,
            "last": 1,
            **{name: told[name].shape for name in ("x", "y", "turn", "edge", "tile", "weights")},
            "tap": below(shape.taps),
            "word": below(shape.group_words),
            "slice": below(shape.slices),
        }
    )


class WaveIssue(wiring.Component):
    """Issues a wave a cycle; a pass begins when rows, weights and room for its results are there.

    There is no cycle between two passes when the second is ready in time.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : stream of passes.
    i_cell, i_row : In. A cell has arrived, or a row's last one.
    i_tile : In. A tile of weights has arrived.
    i_there : In. Parameters are there.
    i_room : In. There is room for the results of a pass or, if steps are put in the order of
        pixels, of a step.
    o : Out. Waves.
    o_pass, o_step : Out. A pass, a step begins: its room is taken.
    o_frees : Out. Rows of cells that are done with, in the cycle of a pass's last wave, and from
        then on columns of the next.
    o_done : Out. The wave's weights are done with.
    o_ends : Out. An image is done with, in that cycle.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(stream.Signature(pass_layout(shape))),
                "i_cell": In(1),
                "i_row": In(1),
                "i_tile": In(1),
                "i_there": In(1),
                "i_room": In(1),
                "o": Out(wave_layout(shape)),
                "o_pass": Out(1),
                "o_step": Out(1),
                "o_frees": Out(cells_layout(shape)),
                "o_done": Out(1),
                "o_ends": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        told, wave = self.i.payload, self.o
        over = Signal()
        go, room = Signal(), Signal()
        m.d.comb += [
            over.eq(~wave.valid | wave.last),
            room.eq(self.i_room | ~told.step if self._shape.reorders else self.i_room),
            go.eq(self.i.valid & self._ready(m, told) & self.i_there & room & over),
            self.i.ready.eq(go),
            self.o_pass.eq(go),
            self.o_step.eq(go & told.step),
        ]
        frees = Signal(cells_layout(self._shape))
        column = Signal.like(frees.column)
        last, ends = Signal(), Signal()
        m.d.comb += [self.o_done.eq(wave.valid & last), self.o_frees.column.eq(column)]
        with m.If(wave.valid & wave.last):
            m.d.comb += [self.o_frees.eq(frees), self.o_ends.eq(ends)]
            m.d.sync += column.eq(frees.column)
        self._step(m, wave)
        with m.If(over):
            m.d.sync += wave.valid.eq(go)
        with m.If(go):
            m.d.sync += [
                *(
                    wave[name].eq(told[name])
                    for name in ("x", "y", "turn", "edge", "tile", "weights")
                ),
                frees.eq(told.frees),
                last.eq(told.last),
                ends.eq(told.ends),
            ]
        return m

    def _ready(self, m: Module, told: Any) -> Any:
        """Cells and weights are there."""
        shape = self._shape
        rows = Signal(range(2 * shape.cells + shape.live_rows + 1))  # from the image's first on
        columns = Signal(below(shape.cells))  # of the row that arrives
        tiles = Signal(range(shape.weight_tiles + 1))
        ends = self.o_pass & told.ends
        m.d.sync += [
            rows.eq(rows + self.i_row - Mux(ends, shape.cells, 0)),
            columns.eq(Mux(self.i_row, 0, columns + self.i_cell)),
            tiles.eq(tiles + self.i_tile - self._takes(told)),
        ]
        there = Cat(columns, rows) >= told.needs.as_value()
        return there & (~told.first | (tiles != 0))

    def _takes(self, told: Any) -> Any:
        """A tile of weights is taken; those that stay are not counted down."""
        shape = self._shape
        if shape.weights_stay:
            return 0
        return self.o_pass & told.first

    def _step(self, m: Module, wave: Any) -> None:
        """From wave to wave: slices, words and taps, in this order."""
        shape = self._shape
        step, tap = Signal(below(shape.in_steps)), wave.tap
        last_step = step == shape.in_steps - 1
        with m.If(wave.valid):
            m.d.sync += [
                step.eq(step + 1),
                wave.weights.eq(wave.weights + 1),
                wave.first.eq(0),
                wave.last.eq((tap == shape.taps - 1) & (step == shape.in_steps - 2)),
                wave.slice.eq(wave.slice + 1),
            ]
            with m.If(wave.slice == shape.slices - 1):
                m.d.sync += [wave.slice.eq(0), wave.word.eq(wave.word + 1)]
            with m.If(last_step):
                m.d.sync += [step.eq(0), tap.eq(tap + 1), wave.word.eq(0), wave.slice.eq(0)]
                if shape.in_steps == 1:
                    m.d.sync += wave.last.eq(tap == shape.taps - 2)
        with m.If(~wave.valid | wave.last):
            m.d.sync += [
                step.eq(0),
                tap.eq(0),
                wave.word.eq(0),
                wave.slice.eq(0),
                wave.first.eq(1),
                wave.last.eq(shape.wave_cycles == 1),
            ]
