"""The replay FIFO that holds the weights in front of the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes


class WeightRead(wiring.Signature):
    """The consumer's side of a ``WeightBuffer``, from the buffer's point of view.

    The held words are those between the release pointer and the read pointer: read, but kept.

    Parameters
    ----------
    depth : words of the buffer.
    word_bits : width of a word.

    Members
    -------
    level : words that can be popped, exact; a word counts from the cycle after its write, and a
        pop, rewind or release shows in the next cycle.
    some : ``level`` is not zero; a register as that is.
    pop : take the next word; only while ``level`` is not zero.  Pops may follow each other in
        consecutive cycles.
    data : the word popped ``POP_LATENCY`` cycles ago; stays until the next pop's word.
    hold : with ``pop``: keep the word's space.  A pop without ``hold`` frees everything up to and
        including its word, as if ``release`` came with it.
    release : pulse: free everything that has been read (release pointer := read pointer); a word
        has room there `ROOM_LATENCY` cycles later.
    rewind : pulse: read the held words again (read pointer := release pointer), of which there is
        one, be it popped now; not with a release, nor with a pop without ``hold``.

    Pulses that coincide with a pop apply after it: ``pop & hold & rewind`` takes the segment's last
    word and goes back to its first; ``pop & release`` takes it and frees the segment.  All of them
    come late in a cycle: what follows from each is known before, and chosen.
    """

    def __init__(self, *, depth: int, word_bits: int) -> None:
        check_sizes(2, depth=depth)
        check_sizes(1, word_bits=word_bits)
        super().__init__(
            {
                "level": Out(range(depth + 1)),
                "some": Out(1),
                "pop": In(1),
                "hold": In(1),
                "rewind": In(1),
                "release": In(1),
                "data": Out(word_bits),
            }
        )


class WeightBuffer(wiring.Component):
    """A FIFO whose reader may keep what it has read and read it again.

    One word in and one word out per cycle.

    Parameters
    ----------
    depth : words, at least 2; any number.
    word_bits : width of a word.

    Members
    -------
    i : words in.
    o : the reader's side, see ``WeightRead``.
    """

    def __init__(self, *, depth: int, word_bits: int) -> None:
        read = WeightRead(depth=depth, word_bits=word_bits)
        self._depth = depth
        self._bits = word_bits
        super().__init__({"i": In(stream.Signature(word_bits)), "o": Out(read)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._bits, depth=self._depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        write_pointer, read_pointer, release_pointer = (
            Signal(range(self._depth), name=f"{name}_pointer")
            for name in ("write", "read", "release")
        )
        kept = Signal(range(self._depth + 1))  # words, with what was released a cycle ago
        used = Signal.like(kept)  # without
        room = Signal(init=1)  # not all are used
        more = Signal()  # more than one can be popped
        after_pop, start = Signal(range(self._depth)), Signal(range(self._depth))
        # The level, but for a rewind of the cycle before: all that is kept can then be popped.
        unwound, rewound = Signal.like(used), Signal()
        level, use = Signal.like(used), Signal.like(used)
        wrote, released = Signal(), Signal()
        pop, rewind = self.o.pop, self.o.rewind
        # The level, without and with a pop, which comes late.  Two sums of the same operands would
        # be shared behind the choice of one (Yosys' opt_share), so one is of complements.
        grown, taken, popped = Signal.like(used), Signal.like(used), Signal.like(used)
        m.d.comb += [
            self.i.ready.eq(room),
            self.o.level.eq(Mux(rewound, kept, unwound)),
            more.eq(self.o.level > 1),
            wrote.eq(self.i.valid & self.i.ready),
            released.eq(was_released(m, self.o)),
            used.eq(Mux(released, self.o.level, kept)),
            start.eq(Mux(released, read_pointer, release_pointer)),
            after_pop.eq(Mux(pop, self._next(read_pointer), read_pointer)),
            grown.eq(self.o.level + wrote),
            taken.eq(~self.o.level + ~wrote),
            popped.eq(~taken),
            level.eq(Mux(pop, popped, grown)),
            use.eq(used + wrote),
            write.addr.eq(write_pointer),
            write.data.eq(self.i.payload),
            write.en.eq(wrote),
            read.addr.eq(read_pointer),
            read.en.eq(pop),
        ]
        with m.If(wrote):
            m.d.sync += write_pointer.eq(self._next(write_pointer))
        m.d.sync += [
            self.o.data.eq(read.data),
            unwound.eq(level),
            rewound.eq(rewind),
            self.o.some.eq(wrote | rewind | Mux(pop, more, self.o.some)),
            kept.eq(use),
            room.eq(Mux(wrote, used != self._depth - 1, used != self._depth)),
            read_pointer.eq(Mux(rewind, start, after_pop)),
            release_pointer.eq(start),
        ]
        return m

    def _next(self, pointer: Any) -> Any:
        return Mux(pointer == self._depth - 1, 0, pointer + 1)


def was_released(m: Module, reader: Any) -> Any:
    """Whether what has been read was released in the cycle before, by a `WeightRead`.

    What is used are then the words that can be popped.
    """
    flags = Signal(3)
    m.d.sync += flags.eq(Cat(reader.release, reader.pop, reader.hold))
    release, pop, hold = flags
    return release | (pop & ~hold)
