"""Queues: they neither lose, double nor exchange words, and an offer stays."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Mux, Value

from hw.lib.queue import Queue
from tests.formal.kit import Follower, Proof, Verdict, mutated

WIDTH = 3


def proof(queue: Any, *, depth: int, block: bool) -> Proof:
    one = Proof(queue)
    enters, leaves = queue.i.valid & queue.i.ready, queue.o.valid & queue.o.ready
    one.require_stable(queue.o)
    one.require(queue.level <= depth)
    one.require(queue.i.ready == (queue.level != depth))
    follower = Follower(
        one, i=(enters, queue.i.payload), o=(leaves, queue.o.payload), level=queue.level
    )
    hold(one, "fifo", follower, depth=depth, block=block)
    return one


def hold(one: Proof, path: str, followed: Any, *, depth: int, block: bool) -> None:
    """What is true inside of Amaranth's FIFO: the words lie between its two pointers."""
    produce, consume = one.inner(f"{path}.produce"), one.inner(f"{path}.consume")
    level = one.inner(f"{path}.inner_level" if block else f"{path}.level")
    rows = depth - block
    one.require((produce < rows) & (consume < rows) & (level <= rows))
    one.require(produce == _wrapped(consume + level, rows))
    front: Any = 0
    if block:  # one more word waits in the memory's output
        front = one.inner(f"{path}.r_rdy")
        data = one.inner(f"{path}.r_data")
        first = followed.inside & (followed.ahead == 0) & front
        one.require(~first | (Value.cast(data) == followed.word))
        one.require(one.inner(f"{path}.level") == level + front)
        one.require(front | (level <= 1))
    place = _wrapped(consume + followed.ahead - front, rows)
    stored = followed.inside & ~(front & (followed.ahead == 0))
    one.require(~stored | (one.word(f"{path}.storage", place) == followed.word))


def _wrapped(place: Any, rows: int) -> Any:
    return Mux(place >= rows, place - rows, place)


@pytest.mark.parametrize(("depth", "block"), [(2, False), (5, False), (3, True), (6, True)])
def test_queue(depth: int, block: bool) -> None:
    queue = Queue(shape=WIDTH, depth=depth, block=block)
    assert proof(queue, depth=depth, block=block).verdict() is Verdict.PROVED


def test_a_queue_that_takes_a_word_when_full() -> None:
    broken = mutated(Queue, "self.i.ready.eq(queue.w_rdy)", "self.i.ready.eq(1)")
    one = proof(broken(shape=WIDTH, depth=3), depth=3, block=False)
    assert one.verdict(depth=6) is Verdict.REFUTED
