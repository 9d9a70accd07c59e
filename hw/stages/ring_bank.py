"""A bank of the input ring."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes
from hw.stages.pass_walk import below


class RingBank(wiring.Component):
    """A block RAM with a register behind it, written in parts of a row.

    Parameters
    ----------
    depth, part_bits, parts : rows; bits of a part; parts of a row.

    Members
    -------
    i_row : In. Row to read.
    o : Out. That row, ``BANK_LATENCY`` later.
    i_write : In. Write enable of each part. i_write_row, i_values : In. Row, and a part's value.
    """

    def __init__(self, *, depth: int, part_bits: int, parts: int) -> None:
        check_sizes(1, depth=depth, part_bits=part_bits, parts=parts)
        self._depth = depth
        self._part_bits = part_bits
        self._parts = parts
        super().__init__(
            {
                "i_row": In(below(depth)),
                "o": Out(part_bits * parts),
                "i_write": In(parts),
                "i_write_row": In(below(depth)),
                "i_values": In(part_bits),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = memory = Memory(
            shape=self._part_bits * self._parts,
            depth=max(2, self._depth),
            init=[],
            attrs={"ram_style": "block"},
        )
        write = memory.write_port(granularity=self._part_bits)
        read = memory.read_port()
        m.d.comb += [
            read.addr.eq(self.i_row),
            write.addr.eq(self.i_write_row),
            write.data.eq(self.i_values.replicate(self._parts)),
            write.en.eq(self.i_write),
        ]
        m.d.sync += self.o.eq(read.data)
        return m
