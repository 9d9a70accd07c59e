"""Payloads whose count is kept elsewhere: the oldest is shown, unchanged and in its turn."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Mux, Signal, Value

from hw.lib.oldest import Oldest
from tests.formal.kit import Follower, Proof, Verdict, mutated, rarely, seeded

WIDTH = 3


def shown(oldest: Any, depth: int) -> Proof:
    proof = Proof(oldest)
    level = Signal(range(depth + 1))
    proof.m.d.sync += level.eq(level + oldest.i_enters - oldest.i_leaves)
    proof.assume(oldest.i_some == (level != 0))
    proof.assume(oldest.i_more == (level > 1))
    proof.assume(~oldest.i_enters | (level != depth))
    proof.assume(~oldest.i_leaves | oldest.i_some)
    follower = Follower(
        proof,
        i=(oldest.i_enters, oldest.i_payload),
        o=(oldest.i_leaves, oldest.o_payload),
        level=level,
    )
    produce, second = proof.inner("produce"), proof.inner("second")
    place = _wrapped(second + depth - 1, depth)
    proof.require((level <= depth) & (produce < depth) & (second < depth))
    proof.require(produce == _wrapped(place + level, depth))
    data = Value.cast(proof.inner("o_payload"))
    proof.require((level == 0) | (data == proof.word("storage", place)))
    stored = proof.word("storage", _wrapped(place + follower.ahead, depth))
    proof.require(~follower.inside | (stored == follower.word))
    return proof


def _wrapped(place: Any, rows: int) -> Any:
    return Mux(place >= rows, place - rows, place)


@pytest.mark.parametrize("depth", [5, *rarely(2)])
def test_oldest(depth: int) -> None:
    assert shown(Oldest(shape=WIDTH, depth=depth), depth).verdict() is Verdict.PROVED


@seeded(
    ("If(leaves | ~some)", "If(leaves)"),
    ("Mux(more, read.data, Value.cast(came))", "read.data"),
    ("init=1", "init=0"),
)
def test_wrong_oldest_payloads(text: str, other: str) -> None:
    oldest = mutated(Oldest, text, other)(shape=WIDTH, depth=3)
    assert shown(oldest, 3).refuted(depth=6)
