"""A skid buffer: no word is lost, doubled or overtaken, and an offer stays."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Signal

from hw.lib.skid import Skid
from tests.formal.kit import Proof, Verdict, mutated, seeded

WIDTH = 3


def skidded(skid: Any) -> Proof:
    """What is inside is what is held: in a cycle in which nothing is, a word passes through."""
    proof = Proof(skid)
    proof.assume_stable(skid.i)
    proof.require_stable(skid.o)
    enters, leaves = skid.i.valid & skid.i.ready, skid.o.valid & skid.o.ready
    level = Signal(range(3))  # with the word that is offered
    proof.m.d.comb += level.eq(proof.inner("held") + enters)
    chosen, word, choose = Signal(), Signal(WIDTH), proof.free(1, "choose")
    with proof.m.If(chosen & leaves):
        proof.m.d.sync += chosen.eq(0)
    with proof.m.If(~chosen & enters & ~leaves & choose):
        proof.m.d.sync += [chosen.eq(1), word.eq(skid.i.payload)]
    proof.require(skid.o.valid == (level != 0))
    proof.require(~chosen | (proof.inner("held") & (skid.o.payload == word)))
    proof.require(proof.inner("held") | ~leaves | (skid.o.payload == skid.i.payload))
    return proof


def test_skid() -> None:
    assert skidded(Skid(shape=WIDTH)).verdict() is Verdict.PROVED


@seeded(
    ("Mux(held, kept, self.i.payload)", "self.i.payload"),
    ("self.i.ready.eq(~held)", "self.i.ready.eq(1)"),
    ("with m.If(~held)", "with m.If(held)"),
)
def test_wrong_skids(text: str, other: str) -> None:
    assert skidded(mutated(Skid, text, other)(shape=WIDTH)).refuted(depth=6)
