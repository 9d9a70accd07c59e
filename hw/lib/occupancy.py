"""How many words something holds, with what follows from the number known a cycle ahead."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes


class Occupancy(wiring.Component):
    """Counts words in and out, at most one of each a cycle; all outputs are registers.

    Behind ``i_enters`` and ``i_leaves`` lies one choice, however many words there may be.

    Parameters
    ----------
    depth : the most words, at least one.
    full : it begins with ``depth`` words instead of none.

    Members
    -------
    i_enters, i_leaves : a word comes, only while ``o_room``; a word goes, only while ``o_some``.
    o_level : words. o_some : there is one. o_room : one more has room.
    """

    def __init__(self, *, depth: int, full: bool = False) -> None:
        check_sizes(1, depth=depth)
        self._depth = depth
        super().__init__(
            {
                "i_enters": In(1),
                "i_leaves": In(1),
                "o_level": Out(range(depth + 1), init=depth if full else 0),
                "o_some": Out(1, init=int(full)),
                "o_room": Out(1, init=int(not full)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        one = Signal()
        all_but_one = Signal()
        level = self.o_level
        m.d.comb += [one.eq(level == 1), all_but_one.eq(level == self._depth - 1)]
        with m.If(self.i_enters & ~self.i_leaves):
            m.d.sync += [level.eq(level + 1), self.o_some.eq(1), self.o_room.eq(~all_but_one)]
        with m.If(~self.i_enters & self.i_leaves):
            m.d.sync += [level.eq(level - 1), self.o_some.eq(~one), self.o_room.eq(1)]
        return m


def following(place: Any, depth: int) -> Any:
    """The place behind ``place`` in a ring of ``depth``."""
    return Mux(place == depth - 1, 0, place + 1)[: Signal(range(depth)).shape().width]
