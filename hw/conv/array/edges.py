"""The array's left and top edges: skew, and the corner turn."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.isa.timing import CONTROL_LAG
from hw.lib.pipelining import delayed, skewed
from hw.lib.sizes import check_sizes


class CornerTurn(wiring.Component):
    """R serialisers of a word each: a word enters one, and leaves it as R operands, last one first.

    Word k of a burst goes to serialiser k mod R; a serialiser is free again after R cycles, so
    words may follow each other every cycle.  Idle serialisers deliver zeros.

    Members
    -------
    i_valid, i_first, i_word : a word; ``i_first`` restarts at serialiser 0.
    o_operands : one operand a serialiser; a word's first operand comes one cycle after the word.
    """

    def __init__(self, *, rows: int, operand_bits: int) -> None:
        check_sizes(1, rows=rows, operand_bits=operand_bits)
        self._rows, self._operand = rows, operand_bits
        super().__init__(
            {
                "i_valid": In(1),
                "i_first": In(1),
                "i_word": In(rows * self._operand),
                "o_operands": Out(rows * self._operand),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        token = Signal(self._rows, init=1)  # one-hot: whose turn it is
        now = Signal(self._rows)
        m.d.comb += now.eq(Mux(self.i_first, 1, token))
        with m.If(self.i_valid):
            m.d.sync += token.eq(now.rotate_left(1))
        for row in range(self._rows):
            word = Signal(self._rows * self._operand, name=f"word_{row}", reset_less=True)
            with m.If(self.i_valid & now[row]):
                m.d.sync += word.eq(self.i_word)
            with m.Else():
                m.d.sync += word.eq(word << self._operand)
            m.d.comb += self.o_operands.word_select(row, self._operand).eq(word[-self._operand :])
        return m


class LeftEdge(wiring.Component):
    """Feeds the rows: row r one cycle behind row r - 1, row 0 one cycle behind the inputs.

    In NS the serialisers feed the rows; otherwise the direct word does.  A row accumulates locally
    from its `clear` wave on until ``i_drop``, which reaches all rows at once.

    Members
    -------
    i_word : L operands; zero where no wave enters.
    i_operands : of the corner turn.
    i_streaming, i_swap, i_clear, i_drop : of the wave, see `wave_layout`.
    o_stream, o_swap, o_local, o_clear : to the first column; the last two CONTROL_LAG later.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        rows, width = config.rows, config.activation_bits
        super().__init__(
            {
                "i_word": In(width),
                "i_operands": In(width),
                "i_streaming": In(1),
                "i_swap": In(1),
                "i_clear": In(1),
                "i_drop": In(1),
                "o_stream": Out(width),
                "o_swap": Out(rows),
                "o_local": Out(rows),
                "o_clear": Out(rows),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        operand = config.operand_bits * config.lanes
        drop = delayed(m, self.i_drop, 1 + CONTROL_LAG, name="drop", reset_less=False)
        control = Cat(self.i_streaming, self.i_swap, self.i_clear)
        for row, direct in enumerate(skewed(m, self.i_word, operand, name="skew")):
            arrived = Signal(3, name=f"control_{row}")
            m.d.sync += arrived.eq(control)
            control = arrived
            streaming, swap, clear = arrived

            cleared = delayed(m, clear, CONTROL_LAG, name=f"clear_{row}", reset_less=False)
            local = Signal(name=f"local_{row}")
            with m.If(cleared):
                m.d.sync += local.eq(1)
            with m.Elif(drop):
                m.d.sync += local.eq(0)
            serial = self.i_operands.word_select(row, operand)
            m.d.comb += [
                self.o_stream.word_select(row, operand).eq(Mux(streaming, serial, direct)),
                self.o_swap[row].eq(swap),
                self.o_clear[row].eq(cleared),
                self.o_local[row].eq(cleared | (local & ~drop)),
            ]
        return m


class TopEdge(wiring.Component):
    """Feeds the shadow chains: column c one cycle behind column c - 1, column 0 one behind inputs.

    Members
    -------
    i_word : 2C (or C) weights; zero where none enters.
    i_operands : of the corner turn; column c takes serialiser c mod R while turned.
    i_turned, i_enable, i_start : see `wave_layout`.
    o_shadow, o_enable, o_start : to the columns.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        columns, operand = config.columns, config.operand_bits * config.lanes
        super().__init__(
            {
                "i_word": In(columns * operand),
                "i_operands": In(config.rows * operand),
                "i_turned": In(1),
                "i_enable": In(1),
                "i_start": In(1),
                "o_shadow": Out(columns * operand),
                "o_enable": Out(columns),
                "o_start": Out(columns),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        operand = config.operand_bits * config.lanes
        control = Cat(self.i_turned, self.i_enable, self.i_start)
        for column, direct in enumerate(skewed(m, self.i_word, operand, name="skew")):
            arrived = Signal(3, name=f"control_{column}")
            m.d.sync += arrived.eq(control)
            control = arrived
            turned, enable, start = arrived
            serial = self.i_operands.word_select(column % config.rows, operand)
            m.d.comb += [
                self.o_shadow.word_select(column, operand).eq(Mux(turned, serial, direct)),
                self.o_enable[column].eq(enable),
                self.o_start[column].eq(start),
            ]
        return m
