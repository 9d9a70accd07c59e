"""Tokens and the issuers that spend them, against counters in Python."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.control.issue import FLIGHT_DEPTH, Issuer
from hw.control.tokens import ENGINES, TOKEN_BITS, Tokens
from hw.isa import LOAD


def simulate(dut: Any, testbench: Any) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_counters(seed: int) -> None:
    rng = random.Random(seed)
    dut = Tokens()
    count: Counter[tuple[int, int]] = Counter()
    limit = 3 if seed else (1 << TOKEN_BITS) - 1

    async def run(ctx: Any) -> None:
        for _ in range(800):
            waits = [rng.getrandbits(ENGINES) & rng.getrandbits(ENGINES) for _ in range(ENGINES)]
            asks = [rng.random() < 0.6 for _ in range(ENGINES)]
            posts = [rng.getrandbits(ENGINES) & rng.getrandbits(ENGINES) for _ in range(ENGINES)]
            for engine in range(ENGINES):
                for other in range(ENGINES):
                    if count[engine, other] >= limit:
                        posts[engine] &= ~(1 << other)
                ctx.set(dut.i_wait[engine].payload, waits[engine])
                ctx.set(dut.i_wait[engine].valid, asks[engine])
                ctx.set(dut.i_post[engine].payload, posts[engine])
                ctx.set(dut.i_post[engine].valid, rng.random() < 0.9)
            for engine, mask in enumerate(waits):
                sources = [source for source in range(ENGINES) if mask >> source & 1]
                ready = all(count[source, engine] for source in sources)
                assert ctx.get(dut.i_wait[engine].ready) == ready
                if ready and asks[engine]:
                    count.subtract((source, engine) for source in sources)
            for engine, mask in enumerate(posts):
                if ctx.get(dut.i_post[engine].valid):
                    count.update((engine, other) for other in range(ENGINES) if mask >> other & 1)
            await ctx.tick()

    simulate(dut, run)


@pytest.mark.parametrize("seed", range(3))
def test_issuer_gates_and_posts(seed: int) -> None:
    rng = random.Random(seed)
    dut = Issuer(layout=LOAD)
    items = [(rng.getrandbits(4), rng.getrandbits(4), n + 1) for n in range(60)]
    to_send, to_start, flying = deque(items), deque(items), deque[Any]()

    async def run(ctx: Any) -> None:
        while to_send or to_start or flying:
            gives, takes, tokens = bool(to_send), rng.random() < 0.7, rng.random() < 0.7
            retires = bool(flying) and rng.random() < 0.25
            if gives:
                wait, post, tag = to_send[0]
                fields = {"wait": wait, "post": post, "tag": tag, "bytes": tag << 8}
                ctx.set(dut.i.payload, LOAD.const(fields))
            ctx.set(dut.i.valid, gives)
            ctx.set(dut.o.ready, takes)
            ctx.set(dut.o_wait.ready, tokens)
            ctx.set(dut.i_retire, retires)
            assert ctx.get(dut.o_running) == bool(flying)
            assert ctx.get(dut.o_busy) == (len(to_send) != len(to_start) or bool(flying))
            if flying:
                assert ctx.get(dut.o_tag) == flying[0][2]
            if retires:
                _, post, tag = flying.popleft()
                assert ctx.get(dut.o_post.valid)
                assert ctx.get(dut.o_post.payload) == post
                assert ctx.get(dut.o_event.retire_tag) == tag
            started = ctx.get(dut.o.valid) and takes
            assert (
                ctx.get(dut.o_event.start)
                == started
                == ctx.get(dut.o_wait.valid & dut.o_wait.ready)
            )
            if ctx.get(dut.o.valid):
                assert tokens
                wait, _, tag = to_start[0]
                assert ctx.get(dut.o.payload.bytes) == tag << 8
                assert ctx.get(dut.o_wait.payload) == wait
            if gives and ctx.get(dut.i.ready):
                to_send.popleft()
            if started:
                flying.append(to_start.popleft())
            assert len(flying) <= FLIGHT_DEPTH
            await ctx.tick()

    simulate(dut, run)
