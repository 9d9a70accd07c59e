"""Counted loops: as many steps a round as were asked for, the first and the last of them known."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Mux, Signal

from hw.lib.counted_steps import Steps
from hw.lib.rounds import Rounds
from tests.formal.kit import Proof, Verdict, mutated, seeded

BITS = 5


def counted(steps: Any) -> Proof:
    """The count may change with every round, and only then."""
    proof = Proof(steps)
    m, count = proof.m, steps.i_count
    step, before, held = Signal(BITS), Signal(BITS), Signal()
    last = step == count - 1
    m.d.sync += [before.eq(count), held.eq(~(steps.i_advance & last) & ~steps.i_start)]
    with m.If(steps.i_advance):
        m.d.sync += step.eq(Mux(last, 0, step + 1))
    with m.If(steps.i_start):
        m.d.sync += step.eq(0)
    proof.assume((count != 0) & (steps.i_single == (count == 1)))
    proof.assume(~held | (before == count))

    proof.require(steps.o_first == (step == 0))
    proof.require(steps.o_last == last)
    left, ends = proof.inner("left"), steps.o_ends
    proof.require(~held | (step < count))
    proof.require(steps.o_first | (held & (left == count - 1 - step) & (ends == (left == 0))))
    return proof


def test_steps() -> None:
    assert counted(Steps(bits=BITS)).verdict() is Verdict.PROVED


@seeded(
    ("Mux(first, self.i_count == 2, left == 1)", "left == 1"),
    ("self.i_count - 2, left - 1", "self.i_count - 1, left - 1"),
    ("first.eq(self.o_last)", "first.eq(0)"),
)
def test_wrong_steps(text: str, other: str) -> None:
    assert counted(mutated(Steps, text, other)(bits=BITS)).refuted(depth=8)


def rounds(loop: Any) -> Proof:
    """The count may change with every round."""
    proof = Proof(loop)
    m, begun, step, count = proof.m, Signal(), Signal(BITS), Signal(BITS)
    last = step == count - 1
    with m.If(loop.i_advance):
        m.d.sync += step.eq(Mux(last, 0, step + 1))
        with m.If(last):
            m.d.sync += count.eq(loop.i_count)
    with m.If(loop.i_start):
        m.d.sync += [begun.eq(1), step.eq(0), count.eq(loop.i_count)]
    proof.assume((loop.i_count != 0) & (loop.i_single == (loop.i_count == 1)))
    proof.assume(begun | ~loop.i_advance)

    proof.require(~begun | (loop.o_last == last))
    proof.require(~begun | ((step < count) & (proof.inner("left") == count - 1 - step)))
    return proof


def test_rounds() -> None:
    assert rounds(Rounds(bits=BITS)).verdict() is Verdict.PROVED


@seeded(
    ("Mux(last, self.i_single, left == 1)", "left == 1"),
    ("Mux(last, self.i_count, left) - 1", "left - 1"),
    ("last.eq(self.i_single), left", "last.eq(0), left"),
)
def test_wrong_rounds(text: str, other: str) -> None:
    assert rounds(mutated(Rounds, text, other)(bits=BITS)).refuted(depth=8)
