"""The kit itself: what is false is refuted, what needs more knowledge is undecided."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.queue import Queue
from tests.formal.kit import Proof, Verdict, mutated


class Ring(wiring.Component):
    """Counts 0, 1, 2, 0 ... of four states."""

    def __init__(self) -> None:
        super().__init__({"i": In(1), "o": Out(2)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value = Signal(3)
        with m.If(self.i):
            m.d.sync += value.eq(value + 1)
        with m.If(value == 2):
            m.d.sync += value.eq(0)
        m.d.comb += self.o.eq(value)
        return m


@pytest.mark.parametrize(
    ("limit", "known", "verdict"),
    [
        (3, 3, Verdict.PROVED),
        (3, 8, Verdict.UNDECIDED),  # it counts on from states beyond, which it never reaches
        (2, 3, Verdict.REFUTED),
    ],
)
def test_verdicts(limit: int, known: int, verdict: Verdict) -> None:
    ring = Ring()
    proof = Proof(ring)
    proof.require(ring.o < limit)
    proof.require(proof.inner("value") < known)
    assert proof.verdict(depth=4) is verdict


@pytest.mark.parametrize(("limit", "refuted"), [(3, False), (2, True)])
def test_a_refutation_needs_no_induction(limit: int, refuted: bool) -> None:
    """That it counts on from states beyond does not matter here."""
    ring = Ring()
    proof = Proof(ring)
    proof.require(ring.o < limit)
    assert proof.refuted(depth=4) is refuted


def test_a_mutation_must_exist() -> None:
    with pytest.raises(AssertionError, match="'no such text' is 0 times in"):
        mutated(Queue, "no such text", "")
