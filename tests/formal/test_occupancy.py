"""A count of words: its flags say what the number says, whatever comes and goes."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Signal

from hw.lib.occupancy import Occupancy
from tests.formal.kit import Proof, Verdict, mutated, rarely, seeded


def counted(count: Any, depth: int, *, full: bool = False) -> Proof:
    proof = Proof(count)
    words = Signal(range(depth + 1), init=depth if full else 0)
    proof.m.d.sync += words.eq(words + count.i_enters - count.i_leaves)
    proof.assume(~count.i_enters | count.o_room)
    proof.assume(~count.i_leaves | count.o_some)
    proof.require(count.o_level == words)
    proof.require(count.o_some == (words != 0))
    proof.require(count.o_room == (words != depth))
    proof.require(words <= depth)
    return proof


@pytest.mark.parametrize(("depth", "full"), [(1, False), (8, True), *rarely((2, True), (5, False))])
def test_occupancy(depth: int, full: bool) -> None:
    proof = counted(Occupancy(depth=depth, full=full), depth, full=full)
    assert proof.verdict(depth=1) is Verdict.PROVED


@seeded(
    ("self.o_some.eq(~one)", "self.o_some.eq(0)"),
    ("self.o_room.eq(~all_but_one)", "self.o_room.eq(1)"),
    ("If(self.i_enters & ~self.i_leaves)", "If(self.i_enters)"),
)
def test_wrong_occupancies(text: str, other: str) -> None:
    count = mutated(Occupancy, text, other)(depth=3)
    assert counted(count, 3).refuted(depth=6)
