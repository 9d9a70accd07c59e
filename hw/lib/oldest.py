"""Payloads in order, of which the oldest stands in a register."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out

from hw.lib.occupancy import following
from hw.lib.sizes import check_sizes


def keep_oldest(
    m: Module,
    read: ReadPort,
    oldest: Any,
    came: Any,
    *,
    depth: int,
    leaves: Any,
    some: Any,
    more: Any,
) -> None:
    """``oldest`` shows a register with the oldest payload of a ring in distributed RAM.

    It is what ``came`` where there is no other; ``leaves``, ``some``, ``more`` : see `Oldest`.
    """
    second = Signal(range(depth), init=1)  # place of the one behind it
    register = Signal(len(read.data), name="oldest", reset_less=True)
    m.d.comb += [read.addr.eq(second), oldest.eq(register)]
    with m.If(leaves):
        m.d.sync += second.eq(following(second, depth))
    with m.If(leaves | ~some):
        m.d.sync += register.eq(Mux(more, read.data, Value.cast(came)))


class Oldest(wiring.Component):
    """Payloads that others count, in distributed RAM; the oldest in a register.

    Behind ``i_leaves`` lies no choice but that of the oldest.

    Parameters
    ----------
    shape : of a payload.
    depth : payloads it holds, at least 2.

    Members
    -------
    i_enters, i_payload : one comes, while there is room. i_leaves : the oldest goes.
    i_some, i_more : there is one; there are others behind it.
    o_payload : the oldest; a register.
    """

    def __init__(self, *, shape: Any, depth: int) -> None:
        check_sizes(2, depth=depth)
        self._width = Shape.cast(shape).width
        self._depth = depth
        strobes = {f"i_{name}": In(1) for name in ("enters", "leaves", "some", "more")}
        super().__init__({**strobes, "i_payload": In(shape), "o_payload": Out(shape)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.storage = storage = Memory(shape=self._width, depth=self._depth, init=[])
        write, read = storage.write_port(), storage.read_port(domain="comb")
        produce = Signal(range(self._depth))
        m.d.comb += [
            write.addr.eq(produce),
            write.data.eq(self.i_payload),
            write.en.eq(self.i_enters),
        ]
        with m.If(self.i_enters):
            m.d.sync += produce.eq(following(produce, self._depth))
        keep_oldest(
            m,
            read,
            self.o_payload,
            self.i_payload,
            depth=self._depth,
            leaves=self.i_leaves,
            some=self.i_some,
            more=self.i_more,
        )
        return m
