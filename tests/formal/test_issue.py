"""Instructions start in order, each with its tokens, and post when they retire."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat
from amaranth.lib import data

from hw.control.issue import Issuer
from hw.control.tokens import ENGINES
from tests.formal import test_wide_queue as wide
from tests.formal.kit import Follower, Proof, Verdict, mutated, seeded
from tests.formal.test_queue import hold

LAYOUT = data.StructLayout({"wait": ENGINES, "post": ENGINES, "tag": 1})
FLIGHT_DEPTH, QUEUE_DEPTH = 3, 2


def issued(issuer: Any) -> Proof:
    """An engine only retires what has started."""
    proof = Proof(issuer)
    i, o, wait, post = issuer.i, issuer.o, issuer.o_wait, issuer.o_post
    proof.assume(~issuer.i_retire | issuer.o_running)
    starts = o.valid & o.ready
    proof.require(starts == (wait.valid & wait.ready))
    proof.require(~starts | (wait.payload == o.payload.wait))
    proof.require(post.valid == issuer.i_retire)

    level = wide.inside(proof, "queue", depth=QUEUE_DEPTH)
    moves = i.valid & i.ready, i.payload
    queued = Follower(proof, i=moves, o=(starts, o.payload), level=level)
    wide.hold(proof, "queue", queued, depth=QUEUE_DEPTH)
    level = proof.inner("flight.o_level")
    record = Cat(post.payload, issuer.o_event.retire_tag)
    flying = Follower(
        proof,
        i=(starts, Cat(o.payload.post, o.payload.tag)),
        o=(issuer.i_retire, record),
        level=level,
    )
    hold(proof, "flight", flying, depth=FLIGHT_DEPTH, block=False)
    proof.require(issuer.o_running == (level != 0))
    return proof


def test_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hw.control.issue.FLIGHT_DEPTH", FLIGHT_DEPTH)
    monkeypatch.setattr("hw.control.issue.QUEUE_DEPTH", QUEUE_DEPTH)
    assert issued(Issuer(layout=LAYOUT)).verdict() is Verdict.PROVED


@seeded(
    ("queue.o.valid & flight.i.ready & self.o.ready", "queue.o.valid & flight.i.ready"),
    ("queue.o.valid & flight.i.ready & self.o_wait.ready", "queue.o.valid & self.o_wait.ready"),
    ("flight.i.payload.post.eq(head.post)", "flight.i.payload.post.eq(head.wait)"),
)
def test_wrong_issuers(text: str, other: str) -> None:
    depths = {"FLIGHT_DEPTH": FLIGHT_DEPTH, "QUEUE_DEPTH": QUEUE_DEPTH}
    issuer = mutated(Issuer, text, other, **depths)(layout=LAYOUT)
    assert issued(issuer).refuted(depth=10)
