"""Activation tables: any function of one int8 value, in every lane that results pass."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.isa import CONV
from hw.isa.config import PARAMETER_BYTES, TABLE_RECORDS, OverlayConfig
from hw.isa.timing import TABLE_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes

TABLE = CONV["table"].shape  # counted from 1; 0: none


def table_write(config: OverlayConfig) -> data.StructLayout:
    """A write of one record behind the channels': its place among them, and its bytes.

    First come those of the tables.
    """
    records = range(max(TABLE_RECORDS, config.records - config.parameter_depth))
    return data.StructLayout({"valid": 1, "record": records, "entries": 8 * PARAMETER_BYTES})


class TableLanes(wiring.Component):
    """Looks bytes up in one of the tables, one word a cycle.

    A record of entries is a row of distributed RAM, so that it is written in one cycle and reading
    takes one row and a multiplexer.  An overlay without tables only delays the word.

    Parameters
    ----------
    config : the overlay's.
    lanes : bytes of a word.

    Members
    -------
    i_write : In, ``table_write``: seen by words from two cycles later on.
    i_table : In. Which table, sampled with the word; 0: the word passes as it is.
    i_word : In.
    o_word : Out. ``TABLE_LATENCY`` cycles later.
    """

    def __init__(self, *, config: OverlayConfig, lanes: int) -> None:
        check_sizes(1, lanes=lanes)
        self._records = TABLE_RECORDS * config.tables
        self._alone = not config.depthwise
        self._lanes = lanes
        super().__init__(
            {
                "i_write": In(table_write(config)),
                "i_table": In(TABLE),
                "i_word": In(8 * lanes),
                "o_word": Out(8 * lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if not self._records:
            late = delayed(m, self.i_word, TABLE_LATENCY, name="word")
            m.d.comb += self.o_word.eq(late)
            return m
        write = delayed(m, self.i_write.as_value(), 1, name="write", reset_less=False)
        word = delayed(m, self.i_word, 1, name="word")
        passes = delayed(m, self.i_table == 0, 1, name="passes")
        table = Signal(TABLE, reset_less=True)
        m.d.sync += table.eq(self.i_table - 1)
        for lane in range(self._lanes):
            byte = word.word_select(lane, 8)
            entry = self._lane(m, lane, self.i_write.shape()(write), table, byte)
            m.d.sync += self.o_word.word_select(lane, 8).eq(Mux(passes, byte, entry))
        return m

    def _lane(self, m: Module, lane: int, write: Any, table: Any, byte: Any) -> Any:
        """The entry of one lane's byte."""
        memory = Memory(shape=8 * PARAMETER_BYTES, depth=self._records, init=[])
        m.submodules[f"lane_{lane}"] = memory
        to, row = memory.write_port(), memory.read_port(domain="comb")
        within = (PARAMETER_BYTES - 1).bit_length()
        m.d.comb += [
            to.addr.eq(write.record),
            to.data.eq(write.entries),
            to.en.eq(write.valid if self._alone else write.valid & (write.record < self._records)),
            row.addr.eq(Cat(byte[within:], table)),
        ]
        entries = (row.data.word_select(k, 8) for k in range(PARAMETER_BYTES))
        return Array(entries)[byte[:within]]
