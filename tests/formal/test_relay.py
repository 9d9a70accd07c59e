"""A relay station: no word is lost, doubled or overtaken, and an offer stays."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Signal

from hw.lib.relay import CAPACITY, Relay
from tests.formal.kit import Proof, Verdict, mutated, seeded

WIDTH = 3


def relayed(relay: Any) -> Proof:
    """One word inside is followed: with what is behind it, it leaves when it is the oldest."""
    proof = Proof(relay)
    proof.assume_stable(relay.i)
    proof.require_stable(relay.o)
    m, held = proof.m, proof.inner("held")
    enters, leaves = relay.i.valid & relay.i.ready, relay.o.valid & relay.o.ready
    level, before = Signal(range(3)), Signal(range(3))  # inside; of them, before the chosen one
    chosen, word = Signal(), Signal(WIDTH)
    m.d.sync += level.eq(level + enters - leaves)
    with m.If(chosen & leaves):
        m.d.sync += [before.eq(before - 1), chosen.eq(before != 0)]
    with m.If(~chosen & enters & proof.free(1, "choose")):
        m.d.sync += [chosen.eq(1), word.eq(relay.i.payload), before.eq(level - leaves)]
    proof.require(level == relay.o.valid + held)
    proof.require(relay.i.ready == (level != CAPACITY))
    proof.require(~held | relay.o.valid)
    proof.require(~chosen | (before < level))
    proof.require(~(chosen & (before == 0)) | (relay.o.payload == word))
    proof.require(~(chosen & (before == 1)) | (proof.inner("kept") == word))
    return proof


def test_relay() -> None:
    assert relayed(Relay(shape=WIDTH)).verdict() is Verdict.PROVED


@seeded(
    ("Mux(held, kept, came)", "came"),
    ("self.i.ready.eq(room)", "self.i.ready.eq(1)"),
    ("with m.If(~held)", "with m.If(held)"),
    ("held.eq(held | self.i.valid)", "held.eq(self.i.valid)"),
)
def test_wrong_relays(text: str, other: str) -> None:
    assert relayed(mutated(Relay, text, other)(shape=WIDTH)).refuted(depth=6)
