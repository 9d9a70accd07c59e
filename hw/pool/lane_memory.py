"""Weights and channel records of depthwise convolutions."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.isa import PARAMETER
from hw.isa.config import (
    DEPTHWISE_BLOCKS,
    DEPTHWISE_ROWS,
    PARAMETER_BYTES,
    TABLE_RECORDS,
    OverlayConfig,
)
from hw.isa.timing import PARAMETER_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.table_lanes import table_write


def lane_weights(config: OverlayConfig) -> data.ArrayLayout:
    """What a tap is multiplied with: [lane, column]."""
    return data.ArrayLayout(data.ArrayLayout(signed(8), config.depthwise), config.pool_channels)


class LaneMemory(wiring.Component):
    """A row of weights for each tap, and a record for each channel, both for all lanes at once.

    A record of DRAM has the weights of some lanes, each ``depthwise_weight_bytes``; those of a row
    follow each other. Behind all rows are the channel records, block by block.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_write : In, ``table_write``: seen by reads from four cycles later on.
    i_row, o_weights : In, Out. ``PARAMETER_LATENCY`` later.
    i_block, o_records : In, Out. ``PARAMETER_LATENCY`` later.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_write": In(table_write(config)),
                "i_row": In(range(DEPTHWISE_ROWS)),
                "o_weights": Out(lane_weights(config)),
                "i_block": In(range(DEPTHWISE_BLOCKS)),
                "o_records": Out(data.ArrayLayout(PARAMETER, config.pool_channels)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        write = self.i_write.shape()(
            delayed(m, self.i_write.as_value(), 1, name="write", reset_less=False)
        )
        tables = TABLE_RECORDS * config.tables
        place = Signal(len(write.record), reset_less=True)
        entries = delayed(m, write.entries, 1, name="entries")
        comes = Signal()
        ours = write.record >= tables if tables else 1
        rows = DEPTHWISE_ROWS * config.depthwise_row_records
        channels = Signal.like(place)  # the place among the channel records
        m.d.sync += [
            place.eq(write.record - tables),
            channels.eq(write.record - (tables + rows)),
            comes.eq(write.valid & ours),
        ]
        behind = place[exact_log2(rows) :].any()
        self._weights(m, comes & ~behind, place, entries)
        self._records(m, comes & behind, channels, entries)
        return m

    def _weights(self, m: Module, comes: Any, place: Any, entries: Any) -> None:
        config = self._config
        size, used = 8 * config.depthwise_weight_bytes, 8 * config.depthwise
        lanes = 8 * PARAMETER_BYTES // size
        split = exact_log2(config.depthwise_row_records)
        weights = self.o_weights.as_value()
        for number, first in enumerate(range(0, config.pool_channels, lanes)):
            count = min(lanes, config.pool_channels - first)
            memory = Memory(shape=used * count, depth=DEPTHWISE_ROWS, init=[])
            m.submodules[f"weights_{number}"] = memory
            to, row = memory.write_port(), memory.read_port(domain="sync")
            m.d.comb += [
                to.addr.eq(place[split:]),
                to.data.eq(Cat(entries[size * k : size * k + used] for k in range(count))),
                to.en.eq(comes & (place[:split] == number)),
                row.addr.eq(self.i_row),
                weights[used * first :][: used * count].eq(
                    delayed(m, row.data, PARAMETER_LATENCY - 1, name=f"weights_{number}")
                ),
            ]

    def _records(self, m: Module, comes: Any, place: Any, entries: Any) -> None:
        config = self._config
        split = exact_log2(config.depthwise_block_records)
        record = entries[: PARAMETER.size]
        for lane in range(config.pool_channels):
            memory = Memory(shape=PARAMETER, depth=DEPTHWISE_BLOCKS, init=[])
            m.submodules[f"records_{lane}"] = memory
            to, read = memory.write_port(), memory.read_port(domain="sync")
            found = delayed(m, read.data.as_value(), PARAMETER_LATENCY - 1, name=f"record_{lane}")
            m.d.comb += [
                to.addr.eq(place[split:]),
                to.data.eq(record),
                to.en.eq(comes & (place[:split] == lane)),
                read.addr.eq(self.i_block),
                self.o_records[lane].eq(found),
            ]
