"""The replay FIFO: any word read, and read again, is the word that was written at its place."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Mux, Signal

from hw.isa.timing import POP_LATENCY
from hw.lib.replay import WeightBuffer
from tests.formal.kit import Proof, Verdict, mutated, seeded

DEPTH, WIDTH, COUNT = 3, 2, 5  # COUNT: bits of the running numbers of words


def replayed(buffer: Any) -> Proof:
    """Words are numbered; the buffer holds those from `kept` to `written`, next comes `read`."""
    proof = Proof(buffer)
    m, i, o = proof.m, buffer.i, buffer.o
    proof.assume(~o.pop | (o.level != 0))
    proof.assume(~o.rewind | ~(o.release | (o.pop & ~o.hold)))
    written, read, kept, was = (Signal(COUNT, name=n) for n in ("written", "read_", "kept", "was"))
    after = read + o.pop
    proof.assume(~o.rewind | o.pop | (read != kept))
    wrote = i.valid & i.ready
    released = o.release | (o.pop & ~o.hold)
    m.d.sync += [written.eq(written + wrote), read.eq(after), was.eq(kept)]
    with m.If(released):
        m.d.sync += kept.eq(after)
    with m.Elif(o.rewind):
        m.d.sync += read.eq(kept)

    used, level, held = ((written - kept)[:COUNT], (written - read)[:COUNT], (read - kept)[:COUNT])
    proof.require((used <= DEPTH) & (level <= used) & (held <= used))
    proof.require(o.level == level)
    proof.require(o.some == (level != 0))
    late = (written - was)[:COUNT]  # what has been given up a cycle ago is not seen
    proof.require(i.ready == (late != DEPTH))
    proof.require((late <= DEPTH) & (used <= late))

    chosen, word = Signal(COUNT, name="chosen"), Signal(WIDTH, name="chosen_word")
    inside = Signal(name="inside")
    with m.If(inside & released & ((chosen - kept)[:COUNT] < (after - kept)[:COUNT])):
        m.d.sync += inside.eq(0)
    with m.If(~inside & wrote & proof.free(1, "choose")):
        m.d.sync += [inside.eq(1), chosen.eq(written), word.eq(i.payload)]
    comes = [Signal(name=f"comes_{cycle}") for cycle in range(POP_LATENCY)]
    expected = [Signal(WIDTH, name=f"expected_{cycle}") for cycle in range(POP_LATENCY)]
    m.d.sync += [
        Cat(comes).eq(Cat(inside & o.pop & (chosen == read), comes)),
        Cat(expected).eq(Cat(word, expected)),
    ]
    proof.require(~comes[-1] | (o.data == expected[-1]))
    proof.require(~comes[0] | (proof.inner("read__data") == expected[0]))

    start, place = proof.inner("start"), (chosen - kept)[:COUNT]
    proof.require((start < DEPTH) & (proof.inner("used") == used))
    before, now = Signal(), proof.inner("released")
    m.d.sync += before.eq(released)
    proof.require((now == before) & (now | (was == kept)) & (proof.inner("kept") == late))
    proof.require(~now | ((read == kept) & (held == 0)))
    proof.require(proof.inner("write_pointer") == _wrapped(start + used))
    proof.require(proof.inner("read_pointer") == _wrapped(start + held))
    stored = proof.word("memory", _wrapped(start + place)) == word
    proof.require(~inside | ((place < used) & stored))
    return proof


def _wrapped(place: Any) -> Any:
    return Mux(place >= DEPTH, place - DEPTH, place)


def test_replay() -> None:
    buffer = WeightBuffer(depth=DEPTH, word_bits=WIDTH)
    assert replayed(buffer).verdict() is Verdict.PROVED


@seeded(
    ("release_pointer.eq(start)", "release_pointer.eq(read_pointer)"),
    ("Mux(rewind, start, after_pop)", "Mux(rewind, release_pointer, after_pop)"),
    ("Mux(wrote, used != self._depth - 1", "Mux(wrote, used != self._depth"),
    ("Mux(released, self.o.level, kept)", "kept"),
    ("wrote | rewind | Mux(", "rewind | Mux("),
    ("wrote | rewind | Mux(", "wrote | Mux("),
    ("(pop & ~hold)", "pop"),
)
def test_wrong_replays(text: str, other: str) -> None:
    buffer = mutated(WeightBuffer, text, other)(depth=DEPTH, word_bits=WIDTH)
    assert replayed(buffer).refuted(depth=9)
