"""Memory banks out of equal blocks, so that the emitted design describes one block."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.lib.emit import Shared
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes

BLOCK_ROWS = 1 << 14  # larger memories elaborate and route badly
BLOCK_LANES = 8  # bytes of a row: as wide as the vendors' block RAM


def _ports(rows: int, lanes: int) -> dict[str, wiring.Member]:
    """The members of `Block` and of `Bank`."""
    check_sizes(2, power=True, rows=rows)
    check_sizes(1, power=True, lanes=lanes)
    row = exact_log2(rows)
    return {
        "i_read": In(1),
        "i_read_row": In(row),
        "o": Out(8 * lanes),
        "i_write": In(lanes),
        "i_write_row": In(row),
        "i_write_data": In(8 * lanes),
    }


class Block(wiring.Component):
    """A slice of a bank: up to ``BLOCK_ROWS`` rows of up to ``BLOCK_LANES`` bytes.

    All blocks of a memory are equal, so that the emitted design holds one module.  A read that
    meets a write of the same row and cycle returns the row's previous bytes.

    Parameters
    ----------
    rows, lanes : size, powers of two.
    ram_style : the vendor's attribute of that name, or None.

    Members
    -------
    i_read, i_read_row : In. Read enable and row.
    o : Out. The row, two cycles later (the second register is the primitive's own).
    i_write : In. Write enable of each byte.
    i_write_row, i_write_data : In.
    """

    def __init__(self, *, rows: int, lanes: int, ram_style: str | None = None) -> None:
        super().__init__(_ports(rows, lanes))
        self._rows = rows
        self._lanes = lanes
        self._ram_style = ram_style

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        attributes = {} if self._ram_style is None else {"ram_style": self._ram_style}
        m.submodules.bytes = memory = Memory(
            shape=8 * self._lanes, depth=self._rows, init=[], attrs=attributes
        )
        write = memory.write_port(granularity=8)
        read = memory.read_port()
        m.d.comb += [
            read.addr.eq(self.i_read_row),
            read.en.eq(self.i_read),
            write.addr.eq(self.i_write_row),
            write.data.eq(self.i_write_data),
            write.en.eq(self.i_write),
        ]
        m.d.sync += self.o.eq(read.data)
        return m


class Bank(wiring.Component):
    """Half of the memory's words, in blocks.

    Parameters
    ----------
    rows : number of words, a power of two.
    lanes : bytes of a word, a power of two.
    ram_style : the vendor's attribute of that name, or None.

    Members
    -------
    As ``Block``'s.
    """

    def __init__(self, *, rows: int, lanes: int, ram_style: str | None = None) -> None:
        super().__init__(_ports(rows, lanes))
        self._depth = min(rows, BLOCK_ROWS)
        self._slice = min(lanes, BLOCK_LANES)
        self._blocks = rows // self._depth
        self._slices = lanes // self._slice
        self._ram_style = ram_style

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row_bits = exact_log2(self._depth)
        read_block = self.i_read_row[row_bits:]
        write_block = self.i_write_row[row_bits:]
        words = []
        for index in range(self._blocks):
            word = []
            for part in range(self._slices):
                block = Shared(
                    Block(rows=self._depth, lanes=self._slice, ram_style=self._ram_style),
                    f"tensor_block_{self._depth}x{self._slice}",
                )
                m.submodules[f"block_{index}_{part}"] = block
                mine = self.i_write.word_select(part, self._slice)
                m.d.comb += [
                    block.i_read_row.eq(self.i_read_row[:row_bits]),
                    block.i_read.eq(self.i_read & (read_block == index)),
                    block.i_write_row.eq(self.i_write_row[:row_bits]),
                    block.i_write_data.eq(self.i_write_data.word_select(part, 8 * self._slice)),
                    block.i_write.eq(Mux(write_block == index, mine, 0)),
                ]
                word.append(block.o)
            words.append(Cat(word))
        if len(words) == 1:
            m.d.comb += self.o.eq(words[0])
        else:
            selected = delayed(m, read_block, 2, name="selected")
            m.d.comb += self.o.eq(Array(words)[selected])
        return m
