"""Addresses of the banks: where each of them has the word that a segment wants."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import TAP_LATENCY, rotate_latency
from hw.lib.pipelining import delayed
from hw.stages.pass_walk import below, group_sum
from hw.stages.rotate_words import RotateWords
from hw.stages.shape import StageShape
from hw.stages.tap_table import tap_table
from hw.stages.wave_issue import wave_layout


class BankAddress(wiring.Component):
    """The address of each bank for a wave, ``bank_address_latency`` cycles later.

    The cell that segment s reads lies ``bank`` banks after bank s, in the turn of its own pixel's
    cell or, behind the last bank, in the next one.  Cells right of the last output column lie in
    edge entries; the segments that read them tell their banks.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : In. Waves.
    o : Out. For each bank, a row of each group that is touched.
    o_bank : Out. Bank of segment 0, with ``o``.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        rows = data.ArrayLayout(below(shape.bank_depth), shape.touched)
        super().__init__(
            {
                "i": In(wave_layout(shape)),
                "o": Out(data.ArrayLayout(rows, shape.para_seg)),
                "o_bank": Out(below(shape.para_seg)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        words = shape.turns * shape.cell_words
        found = self._tap(m)
        channel = self._channels(m)

        # Turns of the pixel and of the tap, around the ring: for banks from `bank` on, and before.
        turn = delayed(m, self.i.turn, 1, name="turn")
        sums = [
            delayed(m, turn + found["turn"] + more, 1, name=f"sum_{more}")
            for more in (0, shape.cell_words)
        ]
        turns = [
            delayed(m, _around(total, words), 1, name=f"around_{k}") for k, total in enumerate(sums)
        ]
        within = [
            delayed(
                m, delayed(m, found["within"], 1, name=f"within_{k}") + word, 1, name=f"word_{k}"
            )
            for k, word in enumerate(
                delayed(m, one, 1, name=f"channel_{k}") for k, one in enumerate(channel)
            )
        ]
        late = max(0, rotate_latency(shape.para_seg) - 1) if shape.edges else 0
        dense = [
            [
                delayed(m, around + word, 1 + late, name=f"dense_{k}_{group}")
                for group, word in enumerate(within)
            ]
            for k, around in enumerate(turns)
        ]
        bank = delayed(m, found["bank"], TAP_LATENCY - 1 + late, name="bank")
        m.d.sync += self.o_bank.eq(bank)
        picks = self._picks(m, found) if shape.edges else None
        edges = [
            [
                delayed(m, word + words + k * shape.cell_words, 1 + late, name=f"edge_{group}_{k}")
                for k in range(shape.edges)
            ]
            for group, word in enumerate(within)
        ]
        for number in range(shape.para_seg):
            for group in range(shape.touched):
                row = Mux(number < bank, dense[1][group], dense[0][group])
                if picks is not None:
                    row = Array([row, *edges[group]])[picks[number]]
                m.d.sync += self.o[number][group].eq(row)
        return m

    def _tap(self, m: Module) -> dict[str, Signal]:
        """What the table says of the wave's tap, a cycle later."""
        shape = self._shape
        table = tap_table(shape)
        fields = {
            "turn": below(shape.turns * shape.cell_words),
            "bank": below(shape.para_seg),
            "within": below(shape.cell_words),
            "cell_column": signed(shape.kernel.bit_length() + 1),
            "cell_row": signed(shape.kernel.bit_length() + 1),
        }
        found = {
            name: Signal(kind, name=f"tap_{name}", reset_less=True) for name, kind in fields.items()
        }
        with m.Switch(self.i.tap):
            for number, tap in enumerate(table):
                with m.Case(number):
                    m.d.sync += [signal.eq(getattr(tap, name)) for name, signal in found.items()]
        return found

    def _channels(self, m: Module) -> list[Any]:
        """For each group that is touched, the word of a pixel, a cycle later."""
        shape = self._shape
        words = []
        for place in range(shape.touched):
            first = Signal(below(shape.pixel_words), name=f"first_{place}")
            if shape.groups > 1:
                with m.Switch(self.i.tile):
                    for tile, groups in enumerate(shape.column_groups):
                        row = (groups[0] + shape.touched - 1 - place) // shape.touched
                        if row * shape.touched + place < shape.groups:
                            with m.Case(tile):
                                m.d.comb += first.eq(row * shape.group_words)
            word = Signal(below(shape.pixel_words), name=f"pixel_word_{place}", reset_less=True)
            m.d.sync += word.eq(first + self.i.word)
            words.append(word)
        return words

    def _picks(self, m: Module, found: dict[str, Signal]) -> list[Any]:
        """For each bank 0, or one more than the edge entry that it must read."""
        shape = self._shape
        width = below(shape.edges + 1)
        picks = []
        edge = delayed(m, self.i.edge, 2, name="edge")
        for segment in range(shape.para_seg):
            x, y = segment_pixel(m, self.i, segment, shape)
            column = delayed(
                m, x + found["cell_column"] - shape.size_out, 1, name=f"edge_column_{segment}"
            )
            row = delayed(m, y + found["cell_row"], 1, name=f"edge_row_{segment}")
            group = Signal(below(shape.edge_groups), name=f"edge_group_{segment}")
            m.d.comb += group.eq(group_sum(edge, row >> shape.edge_log, shape))
            entry = Mux(column >= 0, group * shape.edge_columns + column + 1, 0)
            pick = Signal(width, name=f"pick_{segment}", reset_less=True)
            m.d.sync += pick.eq(entry)
            picks.append(pick)
        if shape.para_seg == 1:
            return [delayed(m, picks[0], 1, name="pick")]
        m.submodules.picks = turn = RotateWords(words=shape.para_seg, bits=width.width)
        back = Signal(below(shape.para_seg), reset_less=True)
        m.d.sync += back.eq(Mux(found["bank"] == 0, 0, shape.para_seg - found["bank"]))
        m.d.comb += [
            turn.i.eq(Cat(picks)),
            turn.i_amount.eq(delayed(m, back, 1, name="back")),
        ]
        return [turn.o.word_select(k, width.width) for k in range(shape.para_seg)]


def segment_pixel(m: Module, wave: Any, segment: int, shape: StageShape) -> tuple[Signal, Signal]:
    """Column and row of a segment's pixel, a cycle after the wave."""
    rows, columns = divmod(segment, shape.size_out)
    x = Signal(range(2 * shape.size_out), name=f"x_sum_{segment}")
    wraps = x >= shape.size_out if columns else Const(0)
    column = Signal(below(shape.size_out), name=f"x_{segment}", reset_less=True)
    row = Signal(range(2 * shape.size_out + 2), name=f"y_{segment}", reset_less=True)
    m.d.comb += x.eq(wave.x + columns)
    m.d.sync += [
        column.eq(Mux(wraps, x - shape.size_out, x)),
        row.eq(wave.y + rows + wraps),
    ]
    return column, row


def _around(total: Any, ring: int) -> Any:
    """A sum below twice the ring's length, around it."""
    return Mux(total >= ring, total - ring, total)[: max(1, (ring - 1).bit_length())]
