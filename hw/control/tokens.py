"""Dependency tokens between the engines."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from hw.isa import Engine

ENGINES = len(Engine)
TOKEN_BITS = 8  # at most 255 tokens of a pair may wait; the compiler's proof checks it


class Tokens(wiring.Component):
    """A counter for each ordered pair of engines: the source posts, the destination consumes.

    All engines may wait and post in the same cycle; a token counts from the cycle after its post.

    Members
    -------
    i_wait : for each engine, a stream of masks of sources; ready when each of them has posted a
        token for it, and its transfer consumes one of each.
    i_post : for each engine, a stream of masks of destinations; always ready.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i_wait": In(stream.Signature(ENGINES)).array(ENGINES),
                "i_post": In(stream.Signature(ENGINES, always_ready=True)).array(ENGINES),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for destination in range(ENGINES):
            wait = self.i_wait[destination]
            there = []
            for source in range(ENGINES):
                post = self.i_post[source]
                count = Signal(TOKEN_BITS, name=f"count_{source}_{destination}")
                some = Signal(name=f"some_{source}_{destination}")
                posted = post.valid & post.payload[destination]
                taken = wait.valid & wait.ready & wait.payload[source]
                m.d.sync += count.eq(count + posted - taken)
                m.d.sync += some.eq(posted | Mux(taken, count > 1, some))
                there.append(some)
            m.d.comb += wait.ready.eq((Cat(*there) | ~wait.payload).all())
        return m
