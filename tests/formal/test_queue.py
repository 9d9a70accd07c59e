"""Queues: they neither lose, double nor exchange words, and an offer stays."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Mux, Value

from hw.lib.queue import Queue
from tests.formal.kit import Follower, Proof, Verdict, mutated, rarely

WIDTH = 3


def proof(queue: Any, *, depth: int, block: bool) -> Proof:
    one = Proof(queue)
    enters, leaves = queue.i.valid & queue.i.ready, queue.o.valid & queue.o.ready
    one.require_stable(queue.o)
    one.require(queue.o_level <= depth)
    one.require(queue.i.ready == (queue.o_level != depth))
    follower = Follower(
        one, i=(enters, queue.i.payload), o=(leaves, queue.o.payload), level=queue.o_level
    )
    hold(one, "", follower, depth=depth, block=block)
    return one


def hold(one: Proof, path: str, followed: Any, *, depth: int, block: bool) -> None:
    """What is true inside of a queue, or of one called ``path``: its words lie between pointers."""
    place = f"{path}." if path else ""
    produce, consume = one.inner(f"{place}produce"), one.inner(f"{place}consume")
    rows = depth - block
    level = held(one, f"{place}count", rows)
    one.require((produce < rows) & (consume < rows))
    one.require(produce == wrapped(consume + level, rows))
    front: Any = 0
    if block:  # one more word waits in the memory's output
        front = one.inner(f"{place}o__valid")
        data = one.inner(f"{place}o__payload")
        first = followed.inside & (followed.ahead == 0) & front
        one.require(~first | (Value.cast(data) == followed.word))
        one.require(held(one, f"{place}total", depth) == level + front)
        one.require(front | (level <= 1))
        reads, writes = one.inner(f"{place}count.i_leaves"), one.inner(f"{place}count.o_room")
        one.require(~(reads & writes & (produce == consume)))
    else:  # the oldest word's copy is the output
        second, more = one.inner(f"{place}second"), one.inner(f"{place}more")
        data = Value.cast(one.inner(f"{place}o__payload"))
        one.require((second == wrapped(consume + 1, rows)) & (more == (level > 1)))
        one.require((level == 0) | (data == one.word(f"{place}storage", consume)))
    row = wrapped(consume + followed.ahead - front, rows)
    stored = followed.inside & ~(front & (followed.ahead == 0))
    one.require(~stored | (one.word(f"{place}storage", row) == followed.word))


def held(one: Proof, path: str, depth: int) -> Any:
    """Words that an `Occupancy` counts, whose flags say what the number says."""
    level, some, room = (one.inner(f"{path}.o_{name}") for name in ("level", "some", "room"))
    one.require((level <= depth) & (some == (level != 0)) & (room == (level != depth)))
    return level


def wrapped(place: Any, rows: int) -> Any:
    return Mux(place >= rows, place - rows, place)


@pytest.mark.parametrize(
    ("depth", "block"), [(5, False), (3, True), *rarely((2, False), (6, True))]
)
def test_queue(depth: int, block: bool) -> None:
    queue = Queue(shape=WIDTH, depth=depth, block=block)
    assert proof(queue, depth=depth, block=block).verdict() is Verdict.PROVED


def test_a_queue_that_takes_a_word_when_full() -> None:
    broken = mutated(
        Queue, "count.i_enters.eq(self.i.valid & count.o_room)", "count.i_enters.eq(self.i.valid)"
    )
    one = proof(broken(shape=WIDTH, depth=3), depth=3, block=False)
    assert one.refuted(depth=6)
