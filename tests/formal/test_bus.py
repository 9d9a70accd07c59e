"""AXI masters: bursts stay within pages and add up to the commands, no beat is lost."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat, Mux, Signal, Value

from hw.bus.arbiter import ReadArbiter
from hw.bus.axi import OKAY, PAGE_BYTES, burst_beats
from hw.bus.burst_reader import BurstPlanner, BurstReader
from hw.bus.burst_writer import BurstWriter
from tests.formal.kit import Follower, Proof, Verdict, mutated, rarely, seeded
from tests.formal.test_queue import hold


def moves(stream: Any) -> Any:
    """A transfer in this cycle."""
    return stream.valid & stream.ready


def abort_is_held(proof: Proof, component: Any) -> None:
    """The contract: until idle."""
    aborting = Signal()
    proof.m.d.sync += aborting.eq(component.i_abort & ~component.o_idle)
    proof.assume(~aborting | component.i_abort)


def planned(planner: Any, *, data_bytes: int) -> Proof:
    """Each burst follows the one before; together they are the command."""
    proof = Proof(planner)
    address, beats = planner.o.payload.address, planner.o.payload.beats
    rest, following = Signal(32), Signal(64)
    with proof.m.If(moves(planner.o)):
        proof.m.d.sync += [rest.eq(rest - beats), following.eq(following + beats * data_bytes)]
    with proof.m.If(moves(planner.i)):
        start = planner.i.payload.address & -data_bytes
        proof.m.d.sync += [rest.eq(planner.i.payload.beats), following.eq(start)]
    with proof.m.If(planner.i_abort):
        proof.m.d.sync += rest.eq(0)

    offered = planner.o.valid
    proof.require_stable(planner.o, unless=_before(proof, planner.i_abort))
    proof.require(~offered | ((beats != 0) & (beats <= rest)))
    proof.require(~offered | (address == following))
    last = (address % PAGE_BYTES) + beats * data_bytes
    proof.require(~offered | (last <= PAGE_BYTES))
    proof.require(~offered | (beats <= burst_beats(data_bytes)))
    proof.require(planner.o_idle == (rest == 0))
    proof.require(~planner.i.ready | (rest == 0))

    beat, shift = proof.inner("beat"), data_bytes.bit_length() - 1
    proof.require((proof.inner("remaining") == rest) & (beat << shift == following))
    proof.require(~offered | (proof.inner("last") == (beats == rest)))
    to_end = proof.inner("to_end")
    proof.require(~offered | (beats == Mux(rest < to_end, rest, to_end)))
    return proof


def _plans(proof: Proof) -> None:
    """What the planner's flags say of its counts."""
    planned, more, last, remaining, beats = (
        proof.inner(f"planner.{name}") for name in ("planned", "more", "last", "remaining", "beats")
    )
    proof.require(more == (remaining != 0))
    proof.require(~planned | (more & (beats <= remaining) & (last == (beats == remaining))))


def _before(proof: Proof, value: Any) -> Any:
    """The value a cycle ago."""
    before = Signal.like(value, name="before")
    proof.m.d.sync += before.eq(value)
    return before


@pytest.mark.parametrize("data_bytes", [64, *rarely(4, 128)])
def test_bursts(data_bytes: int) -> None:
    planner = BurstPlanner(data_bytes=data_bytes)
    assert planned(planner, data_bytes=data_bytes).verdict() is Verdict.PROVED


@seeded(
    ("Mux(remaining < to_end, remaining, to_end)", "Mux(remaining < 64, remaining, 64)"),
    ("remaining.eq(remaining - beats)", "remaining.eq(remaining - 1)"),
    ("with m.Elif(more):", "with m.If(more):"),
    ("last.eq(remaining <= to_end)", "last.eq(remaining < to_end)"),
)
def test_wrong_bursts(text: str, other: str) -> None:
    planner = mutated(BurstPlanner, text, other)(data_bytes=64)
    assert planned(planner, data_bytes=64).refuted(depth=6)


def read(reader: Any, *, data_bytes: int, depth: int) -> Proof:
    """The slave answers what it was asked, whenever it likes; all beats come out, in order."""
    proof = Proof(reader)
    ar, r = reader.axi.ar, reader.axi.r
    asked = Signal(range(4 * depth))  # beats that the slave owes
    proof.m.d.sync += asked.eq(asked + Mux(moves(ar), ar.payload.len + 1, 0) - r.valid)
    proof.assume(~r.valid | (asked != 0))
    abort_is_held(proof, reader)

    dropped = _before(proof, reader.i_abort)
    proof.require_stable(ar)
    proof.require_stable(reader.o, unless=dropped)
    proof.require(r.ready)
    proof.require(ar.payload.len < burst_beats(data_bytes))
    offered = Mux(ar.valid, ar.payload.len + 1, 0)
    proof.require(reader.o_idle == (~ar.valid & (asked == 0) & proof.inner("planner.o_idle")))
    level = proof.inner("queue.o_level")
    follower = Follower(
        proof,
        i=(r.valid & ~reader.i_abort, Cat(r.payload.data, r.payload.resp != OKAY)),
        o=(moves(reader.o), Cat(reader.o.payload, reader.o_error)),
        level=level,
        flush=reader.i_abort,
    )
    proof.require(~(r.valid & ~reader.i_abort) | proof.inner("queue.i__ready"))

    hold(proof, "queue", follower, depth=depth, block=True)
    room, pending = proof.inner("room"), proof.inner("pending")
    proof.require(pending == asked + offered)
    proof.require((pending <= depth) & (room <= depth))
    proof.require(dropped | (room + pending + level == depth))
    proof.require(~dropped | (level == 0))
    beats = proof.inner("planner.beats")
    burst = burst_beats(data_bytes)
    proof.require(~proof.inner("planner.planned") | ((beats != 0) & (beats <= burst)))
    _plans(proof)
    return proof


@pytest.fixture
def short_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four beats, and three unanswered writes: counters and memories that z3 is quick with."""
    monkeypatch.setattr("hw.bus.axi.MAX_BURST", 4)
    monkeypatch.setattr("hw.bus.burst_writer.BURSTS", 3)


@pytest.mark.usefixtures("short_bursts")
def test_reader() -> None:
    reader = BurstReader(data_bytes=1, depth=6)
    assert read(reader, data_bytes=1, depth=6).verdict() is Verdict.PROVED


@pytest.mark.usefixtures("short_bursts")
@seeded(
    ("(room >= planner.o.payload.beats)", "(room + 1 >= planner.o.payload.beats)"),
    ("pending + taken - r.valid", "pending + taken - (r.valid & ~self.i_abort)"),
    ("(~ar.valid | ar.ready)),", "1),"),
    ("queue.o.payload.failed)", "queue.i.payload.failed)"),
)
def test_wrong_readers(text: str, other: str) -> None:
    reader = mutated(BurstReader, text, other)(data_bytes=1, depth=6)
    assert read(reader, data_bytes=1, depth=6).refuted(depth=9)


class Place:
    """A followed word that is inside of a FIFO at a place of its own."""

    def __init__(self, inside: Any, ahead: Any, word: Any) -> None:
        self.inside, self.ahead, self.word = inside, ahead, word


def written(writer: Any, *, bursts: int, beats: int) -> Proof:
    """Each address is followed by its beats; they are those of `i_data`, or write nothing."""
    proof = Proof(writer)
    aw, w, b = writer.axi.aw, writer.axi.w, writer.axi.b
    issue, issued = proof.inner("bursts.i__valid"), proof.inner("bursts.i__payload")
    ends = moves(w) & w.payload.last
    under_way, owed = Signal(range(bursts + 1)), Signal(range(bursts + 1))
    sent = Signal(range(beats + 1))  # beats of the burst under way
    proof.m.d.sync += [
        under_way.eq(under_way + issue - ends),
        owed.eq(owed + ends - b.valid),
        sent.eq(Mux(ends, 0, sent + moves(w))),
    ]
    # A response comes behind the burst's last beat and its address.
    proof.assume(~b.valid | (owed > (aw.valid & (under_way == 0))))
    abort_is_held(proof, writer)

    proof.require_stable(aw)
    proof.require_stable(w)
    given, free = _before(proof, moves(writer.i_data)), _before(proof, ~w.valid | w.ready)
    data = _before(proof, Value.cast(writer.i_data.payload))
    same = Value.cast(w.payload)[: len(data)] == data
    proof.require(~given | (w.valid & same))
    made = w.valid & free & ~given
    proof.require(~made | (_before(proof, writer.i_abort) & (w.payload.strb == 0)))
    proof.require(
        ~_before(proof, issue) | (aw.valid & (aw.payload.len == _before(proof, issued) - 1))
    )
    follower = Follower(proof, i=(issue, issued), o=(ends, sent + 1), level=under_way)
    proof.require(~issue | (issued != 0))
    proof.require(
        writer.o_idle == (~aw.valid & (under_way + owed == 0) & proof.inner("planner.o_idle"))
    )

    left, unanswered = proof.inner("left"), proof.inner("unanswered")
    level, consume = proof.inner("bursts.o_level"), proof.inner("bursts.consume")
    last = w.valid & w.payload.last
    front = (left != 0) + last
    proof.require(unanswered == under_way + owed)
    proof.require((unanswered <= bursts) & (under_way == level + front) & (left <= beats))
    proof.require(~(w.valid & ~w.payload.last) | (left != 0))
    proof.require((sent == 0) | w.valid | (left != 0))
    for row in range(bursts):  # the planner's bursts have beats
        there = Mux(row >= consume, row - consume, row + bursts - consume) < level
        length = proof.word("bursts.storage", Value.cast(row))
        proof.require(~there | ((length != 0) & (length <= beats)))
    planner_beats = proof.inner("planner.beats")
    proof.require(~proof.inner("planner.planned") | (planner_beats != 0))
    proof.require(planner_beats <= beats)
    _plans(proof)
    inside, ahead, word = follower.inside, follower.ahead, follower.word
    begun = Mux(last, 0, sent + w.valid)
    proof.require(~(inside & (left != 0) & (ahead == last)) | (begun + left == word))
    proof.require(~(inside & last & (ahead == 0)) | (sent + 1 == word))
    queued = Place(inside & (ahead >= front), (ahead - front)[: len(ahead)], word)
    hold(proof, "bursts", queued, depth=bursts, block=False)
    return proof


@pytest.mark.usefixtures("short_bursts")
def test_writer() -> None:
    assert written(BurstWriter(data_bytes=1), bursts=3, beats=4).verdict() is Verdict.PROVED


@pytest.mark.usefixtures("short_bursts")
@seeded(
    ("w.payload.last.eq(left == 1)", "w.payload.last.eq(left <= 2)"),
    ("(left == 0) | (take & (left == 1))", "(left == 0) | (left == 1)"),
    ("Mux(self.i_abort, 0, self.i_data.payload.strobe)", "self.i_data.payload.strobe"),
    ("(unanswered == 0) & planner.o_idle", "planner.o_idle"),
    ("with m.If(advance):", "with m.If(1):"),
)
def test_wrong_writers(text: str, other: str) -> None:
    writer = mutated(BurstWriter, text, other, BURSTS=3)(data_bytes=1)
    assert written(writer, bursts=3, beats=4).refuted(depth=9)


def arbitrated(arbiter: Any) -> Proof:
    """Each address of a client goes on once, each beat to the client that asked."""
    proof = Proof(arbiter)
    clients, out = (arbiter.i0, arbiter.i1), arbiter.o
    for client in clients:
        proof.assume_stable(client.ar)
    proof.require_stable(out.ar)
    proof.require(moves(out.ar) == moves(clients[0].ar) + moves(clients[1].ar))
    proof.require(moves(out.r) == moves(clients[0].r) + moves(clients[1].r))
    for number, client in enumerate(clients):
        same = (client.ar.payload.addr == out.ar.payload.addr) & (
            client.ar.payload.len == out.ar.payload.len
        )
        proof.require(~moves(client.ar) | (same & (out.ar.payload.id == number)))
        beat = Value.cast(client.r.payload) == Value.cast(out.r.payload)
        proof.require(~moves(client.r) | (beat & (out.r.payload.id == number)))
        passed = Signal(name=f"passed_{number}")  # the other went first, while this one waited
        waits = client.ar.valid & ~client.ar.ready
        proof.m.d.sync += passed.eq(waits & (passed | moves(out.ar)))
        proof.require(~passed | ~moves(clients[1 - number].ar))
        turn = Mux(proof.inner("locked"), number, 1 - number)
        proof.require(~passed | (proof.inner("last") == turn))
    return proof


def test_arbiter() -> None:
    assert arbitrated(ReadArbiter(data_bytes=1)).verdict() is Verdict.PROVED


@seeded(
    ("locked | ~other_asks", "~other_asks"),
    ("Mux(locked | ~other_asks, last, ~last)", "Mux(locked | ~other_asks, last, 0)"),
    ("client.ar.ready.eq(self.o.ar.ready)", "client.ar.ready.eq(1)"),
    ("self.o.r.valid & (self.o.r.payload.id == number)", "self.o.r.valid"),
)
def test_wrong_arbiters(text: str, other: str) -> None:
    arbiter = mutated(ReadArbiter, text, other)(data_bytes=1)
    assert arbitrated(arbiter).refuted(depth=5)
