"""The scratch memory of transformed activations: blocks in, words in the array's order out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.lib.algorithm import multiple, of_transform
from hw.lib.queue import Queue
from hw.lib.replay import WeightRead

BLOCKS = 8  # reserved and not yet written

# A chunk of a pixel tile: its elements, each with the words of all tiles.
BLOCK = data.StructLayout({"tiles": unsigned(16), "transform": 1})


class Scratch(wiring.Component):
    """A ring of blocks; a reader takes their words in ascending order and may keep them.

    Words come tile by tile, in each the elements ascending; word (element, tile) stands at
    ``element * tiles + tile`` of its block.  A block can be read when all of it has been written.

    Parameters
    ----------
    config : the overlay's, with Winograd.

    Members
    -------
    i_block : a block to come; taken when there is room for all of it.
    i_valid, i_last, i_word : a word; the last one of its tile.
    o : the reader's side, see `WeightRead`.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        depth, bits = config.scratch_words, config.activation_bits
        super().__init__(
            {
                "i_block": In(stream.Signature(BLOCK)),
                "i_valid": In(1),
                "i_last": In(1),
                "i_word": In(bits),
                "o": Out(WeightRead(depth=depth, word_bits=bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits, depth = self._config.activation_bits, self._config.scratch_words
        m.submodules.memory = memory = Memory(shape=bits, depth=depth, init=[])
        blocks: Any = Queue(shape=BLOCK, depth=BLOCKS)
        m.submodules.queue = blocks
        free = Signal(range(depth + 1), init=depth)  # words that no block has reserved
        reserved = self._reserve(m, blocks.i, free)
        arrived = self._write(m, memory.write_port(), blocks.o)
        released, held = self._read(m, memory.read_port(), arrived)
        m.d.sync += free.eq(free - reserved)
        with m.If(released):
            m.d.sync += free.eq(free - reserved + held + self.o.pop)
        return m

    def _reserve(self, m: Module, blocks: Any, free: Any) -> Any:
        """A block is taken when there is room for all of it: the words that it reserves now."""
        need = Signal(22)
        m.d.comb += [
            need.eq(self._words(self.i_block.payload)),
            blocks.payload.eq(self.i_block.payload),
            blocks.valid.eq(self.i_block.valid & (free >= need)),
            self.i_block.ready.eq(blocks.ready & (free >= need)),
        ]
        return Mux(self.i_block.valid & self.i_block.ready, need, 0)

    def _write(self, m: Module, write: Any, blocks: Any) -> Any:
        """Words go to their places in the oldest block; those that can be read from now on."""
        depth, tiles = self._config.scratch_words, blocks.payload.tiles
        written = self._words(blocks.payload)
        tile = Signal(16)
        base, place = Signal(range(depth)), Signal(range(depth))
        complete = Signal()
        m.d.comb += [
            write.addr.eq(base + tile + place),
            write.data.eq(self.i_word),
            write.en.eq(self.i_valid),
            complete.eq(self.i_valid & self.i_last & (tile == tiles - 1)),
            blocks.ready.eq(complete),
        ]
        with m.If(self.i_valid):
            m.d.sync += place.eq(Mux(self.i_last, 0, place + tiles))
            m.d.sync += tile.eq(tile + self.i_last)
        with m.If(complete):
            m.d.sync += [base.eq(base + written), tile.eq(0)]
        return Mux(complete, written, 0)

    def _read(self, m: Module, read: Any, arrived: Any) -> tuple[Any, Any]:
        """The reader's side, see `WeightRead`. Whether what it has read is free, and words kept."""
        depth = self._config.scratch_words
        read_pointer, release_pointer, after = (
            Signal(range(depth), name=name) for name in ("read", "release", "after")
        )
        held = Signal(range(depth + 1))  # read and kept
        level = Signal(range(depth + 1))
        released = self.o.release | (self.o.pop & ~self.o.hold)
        m.d.comb += [
            after.eq(read_pointer + self.o.pop),
            level.eq(self.o.level + arrived - self.o.pop),
            read.addr.eq(read_pointer),
            read.en.eq(self.o.pop),
        ]
        m.d.sync += [self.o.data.eq(read.data), read_pointer.eq(after), self.o.level.eq(level)]
        m.d.sync += held.eq(held + self.o.pop)
        with m.If(released):
            m.d.sync += [release_pointer.eq(after), held.eq(0)]
        with m.Elif(self.o.rewind):
            m.d.sync += [read_pointer.eq(release_pointer), held.eq(0)]
            m.d.sync += self.o.level.eq(level + held + self.o.pop)
        return released, held

    def _words(self, block: Any) -> Any:
        """Words of a block."""
        return of_transform(
            self._config, block.transform, lambda t: multiple(block.tiles, t.elements)
        )
