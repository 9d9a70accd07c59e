"""The weights of a stage: all of them, or the tile in use and the next."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import BANK_LATENCY
from hw.lib.pipelining import delayed
from hw.stages.pass_walk import below
from hw.stages.ring_bank import RingBank
from hw.stages.shape import StageShape


class WeightStore(wiring.Component):
    """Takes weights row by row and hands them to all segments, a row a wave.

    A row holds ``para_in`` weights of ``para_out`` channels; it arrives in ``weight_pieces`` beats.
    Rows of two tiles are replaced as they are done with; weights that stay come once.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : stream of beats of ``weight_beat`` weights.
    i_row : In. Row of a wave.
    i_done : In. A row is done with.
    o : Out. Weights of each channel, ``BANK_LATENCY`` after the row; weight k is k cycles later.
    o_tile : Out. A tile, or all that stay, has arrived.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        word = data.ArrayLayout(signed(shape.bits), shape.para_in)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(shape.bits, shape.weight_beat))),
                "i_row": In(below(shape.weight_depth)),
                "i_done": In(1),
                "o": Out(data.ArrayLayout(word, shape.para_out)),
                "o_tile": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        piece, row = Signal(below(shape.weight_pieces)), Signal(below(shape.weight_depth))
        rest = Signal(below(shape.weight_depth))  # rows of the tile so far
        depth = shape.weight_depth
        free = Signal(range(depth + 1), init=depth)  # rows
        length = shape.weight_depth if shape.weights_stay else shape.wave_cycles
        last_piece = piece == shape.weight_pieces - 1
        last_row = row == shape.weight_depth - 1
        taken, over = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(free != 0),
            taken.eq(self.i.valid & self.i.ready),
            over.eq(taken & last_piece & (rest == length - 1)),
        ]
        with m.If(taken):
            m.d.sync += piece.eq(Mux(last_piece, 0, piece + 1))
        with m.If(taken & last_piece):
            m.d.sync += [
                row.eq(Mux(last_row, 0, row + 1)),
                rest.eq(Mux(over, 0, rest + 1)),
            ]
        done = 0 if shape.weights_stay else self.i_done
        m.d.sync += free.eq(free + done - (taken & last_piece))
        m.d.comb += self.o_tile.eq(delayed(m, over, BANK_LATENCY, name="over"))

        bits = shape.weight_beat * shape.bits
        m.submodules.rows = rows = RingBank(
            depth=shape.weight_depth, part_bits=bits, parts=shape.weight_pieces
        )
        m.d.comb += [
            rows.i_row.eq(self.i_row),
            rows.i_write.eq(taken << piece),
            rows.i_write_row.eq(row),
            rows.i_values.eq(self.i.payload),
        ]
        self._skew(m, rows.o)
        return m

    def _skew(self, m: Module, whole: Any) -> None:
        """Weight k of each channel, k cycles later."""
        shape = self._shape
        lanes = [
            [
                whole.word_select(channel * shape.para_in + k, shape.bits)
                for channel in range(shape.para_out)
            ]
            for k in range(shape.para_in)
        ]
        late = [delayed(m, Cat(lane), k, name=f"late_{k}") for k, lane in enumerate(lanes)]
        for channel in range(shape.para_out):
            for k in range(shape.para_in):
                m.d.comb += self.o[channel][k].eq(late[k].word_select(channel, shape.bits))
