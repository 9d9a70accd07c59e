"""The scratch memory of transformed activations: blocks in, words in the array's order out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.isa.config import OverlayConfig
from hw.lib.algorithm import multiple, of_transform
from hw.lib.counted_steps import Steps
from hw.lib.queue import Queue
from hw.lib.replay import WeightRead, was_released

BLOCKS = 8  # reserved and not yet written


def block_layout(config: OverlayConfig) -> data.StructLayout:
    """A chunk of a pixel tile: words of all its elements; tiles, and whether there is one.

    A block of more words than the memory has as many as have no room.
    """
    words = bits_for(config.scratch_words)
    return data.StructLayout({"tiles": unsigned(16), "single": 1, "words": words})


def block_of(config: OverlayConfig, tiles: Any, single: Any, transform: Any) -> Any:
    """The block of so many tiles, of the indexed transform."""
    layout = block_layout(config)
    all_words = of_transform(config, transform, lambda t: multiple(tiles, t.elements))
    bits = bits_for(config.scratch_words)
    words = Mux(all_words[bits:].any(), ~Const(0, bits), all_words[:bits])
    return layout(Cat(tiles[:16], single[:1], words))


class Scratch(wiring.Component):
    """A ring of blocks; a reader takes their words in ascending order and may keep them.

    Words come tile by tile, in each the elements ascending; word (element, tile) stands at
    ``element * tiles + tile`` of its block.  A block can be read when all of it has been written;
    what the reader gives up has room for a block `SCRATCH_LATENCY` cycles later.  A block that is
    asked for can be reserved `FITS_LATENCY` cycles later at the earliest.

    Parameters
    ----------
    config : the overlay's, with Winograd.

    Members
    -------
    i_asks, i_block : a block to come; held until it is reserved.
    o_fits, i_reserve : there is room for all of it; it is reserved, only while it fits.
    i_valid, i_last, i_word : a word; the last one of its tile.
    o : the reader's side, see `WeightRead`.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        depth, bits = config.scratch_words, config.activation_bits
        super().__init__(
            {
                "i_asks": In(1),
                "i_block": In(block_layout(config)),
                "o_fits": Out(1),
                "i_reserve": In(1),
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
        blocks: Any = Queue(shape=block_layout(self._config), depth=BLOCKS)
        m.submodules.queue = blocks
        free = Signal(range(depth + 1), init=depth)  # words that no block has reserved
        fits = Signal()
        complete = self._write(m, memory.write_port(), blocks.o)
        freed = self._read(m, memory.read_port(), complete, blocks.o.payload.words)
        m.d.comb += [
            blocks.i.payload.eq(self.i_block),
            blocks.i.valid.eq(self.i_reserve),
            self.o_fits.eq(blocks.i.ready & fits),
        ]
        words = self.i_block.words
        left = Mux(self.i_reserve, (free - words)[: len(free)], free)
        m.d.sync += [
            free.eq(left + freed),
            fits.eq(self.i_asks & ~self.i_reserve & (free >= words)),
        ]
        return m

    def _write(self, m: Module, write: Any, blocks: Any) -> Any:
        """Words go to their places in the oldest block; whether it can be read from now on."""
        depth, block = self._config.scratch_words, blocks.payload
        m.submodules.tiles = tiles = Steps(bits=16)
        base, first, place = (Signal(range(depth), name=n) for n in ("base", "first", "place"))
        following, next_first = Signal(range(depth)), Signal(range(depth))
        complete = Signal()
        m.d.comb += [
            tiles.i_count.eq(block.tiles),
            tiles.i_single.eq(block.single),
            tiles.i_advance.eq(self.i_valid & self.i_last),
            write.addr.eq(place),
            write.data.eq(self.i_word),
            write.en.eq(self.i_valid),
            complete.eq(tiles.i_advance & tiles.o_last),
            blocks.ready.eq(complete),
            following.eq(base + block.words),
            next_first.eq(Mux(tiles.o_last, following, first + 1)),  # of the next tile
        ]
        with m.If(self.i_valid):
            m.d.sync += place.eq(Mux(self.i_last, next_first, place + block.tiles))
        with m.If(tiles.i_advance):
            m.d.sync += first.eq(next_first)
        with m.If(complete):
            m.d.sync += base.eq(following)
        return complete

    def _read(self, m: Module, read: Any, complete: Any, words: Any) -> Any:
        """The reader's side, see `WeightRead`. Words that it gave up in the cycle before.

        All that may follow is added up before it is known whether a block is complete, and what the
        reader does; what a rewind makes of the level is chosen a cycle later.
        """
        depth = self._config.scratch_words
        read_pointer, release_pointer, after, start = (
            Signal(range(depth), name=name) for name in ("read", "release", "after", "start")
        )
        kept = Signal(range(depth + 1))  # words, with what was given up in the cycle before
        stored = Signal.like(kept)  # the level, if there was no rewind
        used, less = Signal.like(kept), Signal.like(kept)
        rewound = Signal()
        released = was_released(m, self.o)
        pop, rewind, level = self.o.pop, self.o.rewind, self.o.level

        def grown(words_there: Any) -> Any:
            return Mux(complete, (words_there + words)[: len(kept)], words_there)

        m.d.comb += [
            level.eq(Mux(rewound, kept, stored)),
            used.eq(Mux(released, stored, kept)),
            less.eq(level - 1),
            start.eq(Mux(released, read_pointer, release_pointer)),
            after.eq(Mux(pop, read_pointer + 1, read_pointer)),
            read.addr.eq(read_pointer),
            read.en.eq(pop),
        ]
        some = Mux(pop, level > 1, self.o.some)
        m.d.sync += [
            self.o.data.eq(read.data),
            read_pointer.eq(Mux(rewind, start, after)),
            release_pointer.eq(start),
            stored.eq(Mux(pop, grown(less), grown(level))),
            rewound.eq(rewind),
            self.o.some.eq(complete | rewind | some),
            kept.eq(grown(used)),
        ]
        return Mux(released, (kept - stored)[: len(kept)], 0)
