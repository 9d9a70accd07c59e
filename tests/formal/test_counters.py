"""Counters: tokens never run short or over, credits are exact."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Mux, Signal, Value

from hw.control.tokens import ENGINES, TOKEN_BITS, Tokens
from hw.conv.sequence.wave_resources import OutputRoom
from hw.isa.config import OverlayConfig
from tests.formal.kit import Proof, Verdict, mutated, seeded


def counted(tokens: Any) -> Proof:
    """Of any pair of engines: what is consumed was posted, and nothing else is waited for."""
    proof = Proof(tokens)
    source = proof.constant(range(ENGINES), "source")
    destination = proof.constant(range(ENGINES), "destination")
    proof.assume((source < ENGINES) & (destination < ENGINES))
    most = (1 << TOKEN_BITS) - 1
    there = Signal(TOKEN_BITS + 1)  # tokens of the pair
    wait, post = Array(tokens.i_wait)[destination], Array(tokens.i_post)[source]
    asks = wait.payload.bit_select(source, 1)
    posted = post.valid & post.payload.bit_select(destination, 1)
    taken = wait.valid & wait.ready & asks
    proof.m.d.sync += there.eq(there + posted - taken)
    proof.assume(~posted | (there != most))  # the compiler's proof

    proof.require(there <= most)
    proof.require(~taken | (there != 0))
    others = Value.cast(0)  # some other source that `destination` waits for has posted nothing
    for engine in range(ENGINES):
        for target in range(ENGINES):
            count = proof.inner(f"count_{engine}_{target}")
            mine = (source == engine) & (destination == target)
            proof.require(~mine | (count == there))
            some = proof.inner(f"some_{engine}_{target}")
            proof.require(~mine | (some == (count != 0)))
            late = tokens.i_wait[target].payload[engine] & ~some & (source != engine)
            others |= (destination == target) & late
    proof.require(wait.ready == ~(others | (asks & (there == 0))))
    return proof


def test_tokens() -> None:
    assert counted(Tokens()).verdict() is Verdict.PROVED


@seeded(
    ("taken = wait.valid & wait.ready &", "taken = wait.valid &"),
    ("| ~wait.payload).all()", "| ~wait.payload).any()"),
    ("count + posted - taken", "count + (posted & ~taken) - taken"),
    ("post.payload[destination]", "post.payload.any()"),
)
def test_wrong_tokens(text: str, other: str) -> None:
    assert counted(mutated(Tokens, text, other)()).refuted(depth=5)


CONFIG = OverlayConfig(rows=2, columns=3)


def credited(room: Any) -> Proof:
    """Words are reserved that are free, and come back once."""
    proof = Proof(room)
    depth = CONFIG.output_depth
    used = Signal(range(depth + 1))
    reserved = Mux(room.i_reserve, room.i_words, 0)
    proof.m.d.sync += used.eq(used + reserved - room.i_returned)
    proof.assume(reserved <= room.o_room)
    proof.assume(~room.i_returned | (used != 0))
    proof.require(room.o_room + used == depth)
    proof.require(room.o_some == (room.o_room != 0))

    busy = Signal.like(room.o_spacing)  # cycles that the last wave still keeps the output
    proof.m.d.sync += busy.eq(busy - (busy != 0))
    with proof.m.If(room.i_busy != 0):
        proof.m.d.sync += busy.eq(room.i_busy)
    proof.require(room.o_spacing == busy)
    return proof


def test_output_room() -> None:
    assert credited(OutputRoom(config=CONFIG)).verdict() is Verdict.PROVED


@seeded(
    ("Mux(self.i_reserve, left, kept)", "Mux(self.i_reserve, left, self.o_room)"),
    ("Mux(self.i_returned, room + 1, room)", "room"),
    ("some | self.i_returned", "some"),
    ("self.o_spacing - 1, 0)", "self.o_spacing - 1, 1)"),
)
def test_wrong_output_rooms(text: str, other: str) -> None:
    room = mutated(OutputRoom, text, other)(config=CONFIG)
    assert credited(room).refuted(depth=4)
