"""Wide queues: they neither lose, double nor exchange payloads, and an offer stays."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Mux, Value

from hw.lib.wide_queue import WideQueue
from tests.formal.kit import Follower, Proof, Verdict, mutated, rarely, seeded
from tests.formal.test_queue import held, wrapped

WIDTH = 3


def proof(queue: Any, *, depth: int) -> Proof:
    one = Proof(queue)
    level = inside(one, "", depth=depth)
    enters, leaves = queue.i.valid & queue.i.ready, queue.o.valid & queue.o.ready
    one.require_stable(queue.o)
    one.require(queue.o_some == (level != 0))
    moves = {"i": (enters, queue.i.payload), "o": (leaves, queue.o.payload)}
    hold(one, "", Follower(one, **moves, level=level), depth=depth)
    return one


def inside(one: Proof, path: str, *, depth: int) -> Any:
    """Payloads in a queue, or in one called ``path``."""
    place = f"{path}." if path else ""
    return held(one, f"{place}count", depth - 1) + one.inner(f"{place}o__valid")


def hold(one: Proof, path: str, followed: Any, *, depth: int) -> None:
    """What is true inside: the oldest is at the output, or will be; the others are in rows."""
    place = f"{path}." if path else ""
    rows = depth - 1
    produce, consume = one.inner(f"{place}produce"), one.inner(f"{place}consume")
    front, first = one.inner(f"{place}o__valid"), one.inner(f"{place}o__payload")
    one.require((produce < rows) & (consume < rows))
    one.require(produce == wrapped(consume + one.inner(f"{place}count.o_level"), rows))
    offered = front & (followed.ahead == 0)
    row = wrapped(consume + followed.ahead - front, rows)
    word = Mux(offered, Value.cast(first), one.word(f"{place}storage", row))
    one.require(~followed.inside | (word == followed.word))


@pytest.mark.parametrize("depth", [4, *rarely(2, 6)])
def test_wide_queue(depth: int) -> None:
    assert proof(WideQueue(shape=WIDTH, depth=depth), depth=depth).verdict() is Verdict.PROVED


@seeded(
    ("self.i.valid & count.o_room", "self.i.valid"),
    ("count.o_some & ~self.o.valid", "count.o_some"),
    ("write.en.eq(count.o_room)", "write.en.eq(1)"),
)
def test_wrong_wide_queues(text: str, other: str) -> None:
    broken = mutated(WideQueue, text, other)(shape=WIDTH, depth=4)
    assert proof(broken, depth=4).refuted(depth=8)
