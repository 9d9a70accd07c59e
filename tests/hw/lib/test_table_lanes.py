"""Table lanes: every entry of every table, and words that pass as they are."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from hw.isa.config import PARAMETER_BYTES, TABLE_ENTRIES, TABLE_RECORDS, OverlayConfig
from hw.isa.timing import TABLE_LATENCY
from hw.lib.table_lanes import TableLanes

LANES = 3


def test_the_parameters_must_be_legal() -> None:
    with pytest.raises(ValueError, match="lanes must be an integer of at least 1, not 0"):
        TableLanes(config=OverlayConfig(), lanes=0)


@pytest.mark.parametrize("tables", [1, 2, 4])
def test_every_entry(tables: int) -> None:
    """Tables are written while words go on, one record a cycle."""
    rng = random.Random(tables)
    contents = [rng.randbytes(TABLE_ENTRIES) for _ in range(tables)]
    dut = TableLanes(config=OverlayConfig(tables=tables), lanes=LANES)
    words = [
        (table, bytes(rng.randrange(256) if lane else byte for lane in range(LANES)))
        for table in range(tables + 1)
        for byte in range(TABLE_ENTRIES)
    ]

    async def bench(ctx) -> None:
        ctx.set(dut.i_write.valid, 1)
        for record in range(TABLE_RECORDS * tables):
            table, row = divmod(record, TABLE_RECORDS)
            start = row * PARAMETER_BYTES
            entries = contents[table][start : start + PARAMETER_BYTES]
            ctx.set(dut.i_write.record, record)
            ctx.set(dut.i_write.entries, int.from_bytes(entries, "little"))
            await ctx.tick()
        ctx.set(dut.i_write.valid, 0)
        await ctx.tick()
        found = []
        for table, word in [*words, *[words[0]] * TABLE_LATENCY]:
            ctx.set(dut.i_table, table)
            ctx.set(dut.i_word, int.from_bytes(word, "little"))
            found.append(ctx.get(dut.o_word).to_bytes(LANES, "little"))
            await ctx.tick()
        assert found[TABLE_LATENCY:] == [_through(contents, table, word) for table, word in words]

    _run(dut, bench)


def test_without_tables_words_are_only_late() -> None:
    dut = TableLanes(config=OverlayConfig(tables=0), lanes=LANES)

    async def bench(ctx) -> None:
        found = []
        for word in range(20):
            ctx.set(dut.i_word, word)
            found.append(ctx.get(dut.o_word))
            await ctx.tick()
        assert found[TABLE_LATENCY:] == list(range(20 - TABLE_LATENCY))

    _run(dut, bench)


def _through(contents: list[bytes], table: int, word: bytes) -> bytes:
    return bytes(contents[table - 1][byte] for byte in word) if table else word


def _run(dut: TableLanes, bench) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
