"""Maximum or sum of taps: first of a group as it arrives, then of the groups of a window."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, C, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes
from hw.pool.pool_layouts import RING, TAP, group_result, partial_result


class GroupReducer(wiring.Component):
    """Reduces the taps of a group, one a cycle.

    Parameters
    ----------
    lanes : channels.
    bits : of a tap's value.

    Members
    -------
    i_average : In. Sum, else maximum; held while taps are under way.
    i_zero_point : In. What counted padding reads, likewise.
    i_valid, i_tap, i_data : In. A tap and its values.
    o_valid, o_window_last, o_group : Out. ``GROUP_LATENCY`` after the group's last tap.
    """

    def __init__(self, *, lanes: int, bits: int = 8) -> None:
        check_sizes(1, lanes=lanes, bits=bits)
        self._lanes = lanes
        self._bits = bits
        super().__init__(
            {
                "i_average": In(1),
                "i_zero_point": In(8),
                "i_valid": In(1),
                "i_tap": In(TAP),
                "i_data": In(bits * lanes),
                "o_valid": Out(1),
                "o_window_last": Out(1),
                "o_group": Out(partial_result(lanes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits = self._bits
        nothing = Mux(self.i_average, 0, C(-1 << (bits - 1), signed(bits)))
        padding = Mux(self.i_tap.counted, self.i_zero_point.as_signed(), nothing)
        tap = Signal(partial_result(self._lanes), reset_less=True)
        flags = Signal(TAP, reset_less=True)
        valid = Signal()
        starts = Signal(init=1)
        m.d.sync += [valid.eq(self.i_valid), flags.eq(self.i_tap), tap.count.eq(self.i_tap.counted)]
        for lane in range(self._lanes):
            value = self.i_data.word_select(lane, bits).as_signed()
            upper = lane >= self._lanes // 2
            inside = self.i_tap.upper_inside if upper else self.i_tap.inside
            m.d.sync += tap.lanes[lane].eq(Mux(inside, value, padding))

        m.d.sync += [
            self.o_valid.eq(valid & flags.group_last),
            self.o_window_last.eq(flags.window_last),
        ]
        with m.If(valid):
            m.d.sync += starts.eq(flags.group_last)
            average = self.i_average
            accumulate(m, self.o_group, tap, starts=starts, average=average, bits=bits)
        return m


class WindowReducer(wiring.Component):
    """Keeps the latest groups, and reduces a window's when its last one has come.

    Windows must be at least as many cycles apart as they have terms.  A group is a term, or, with
    several sums, some of them: the terms of a column of taps are then the sums of its passes, of
    which a window takes one, that of its next column.

    Parameters
    ----------
    lanes, bits : As ``GroupReducer``'s.
    sums : of a group in a depthwise convolution; 0: there are none.

    Members
    -------
    i_average : In. As ``GroupReducer``'s.
    i_more : In. Terms of a window, less one; likewise.
    i_back : In. Groups of a window, less one; likewise.
    i_passes : In. Groups of a column, if they have several sums, else 0; likewise. Such a window
        counts what its first group does.
    i_halves : In. A group is two terms, the first of which is in the lower half of the lanes;
        likewise.
    i_valid, i_window_last, i_group : In. A group.
    o_valid, o_window : Out. ``WINDOW_LATENCY + i_more`` after the window's last group.
    """

    def __init__(self, *, lanes: int, bits: int = 8, sums: int = 0) -> None:
        check_sizes(1, lanes=lanes, bits=bits)
        check_sizes(0, sums=sums)
        self._shape = group_result(lanes, max(1, sums))
        self._window = partial_result(lanes)
        self._bits = bits
        self._sums = sums
        super().__init__(
            {
                "i_average": In(1),
                "i_more": In(range(RING)),
                "i_back": In(range(RING)),
                "i_passes": In(range(RING + 1)),
                "i_halves": In(1),
                "i_valid": In(1),
                "i_window_last": In(1),
                "i_group": In(self._shape),
                "o_valid": Out(1),
                "o_window": Out(self._window),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.ring = ring = Memory(shape=self._shape, depth=RING, init=[])
        write, read = ring.write_port(), ring.read_port(domain="comb")
        newest, oldest, left = (Signal(range(RING), name=n) for n in ("newest", "oldest", "left"))
        active, starts = Signal(), Signal()
        upper = Signal()  # the term is in the upper half of the lanes
        m.d.comb += [
            write.addr.eq(newest),
            write.data.eq(self.i_group),
            write.en.eq(self.i_valid),
            read.addr.eq(oldest),
        ]
        m.d.sync += [left.eq(left - 1), starts.eq(0)]
        select = self._select(m, oldest, upper)
        with m.If(left == 0):
            m.d.sync += active.eq(0)
        with m.If(self.i_valid):
            m.d.sync += newest.eq(newest + 1)
            with m.If(self.i_window_last):
                m.d.sync += [
                    oldest.eq(newest - self.i_back),
                    select.eq(0),
                    upper.eq(0),
                    left.eq(self.i_more),
                    active.eq(1),
                    starts.eq(1),
                ]

        group = Signal(self._window, reset_less=True)
        count = read.data.count
        if self._sums:
            count = Mux(starts | (self.i_passes == 0), count, 0)
        group_starts, group_ends = Signal(), Signal()
        m.d.sync += [
            group.count.eq(count),
            *(
                one.eq(self._term(read.data.lanes, lane, select, upper))
                for lane, one in enumerate(group.lanes)
            ),
            group_starts.eq(starts),
            group_ends.eq(active & (left == 0)),
            self.o_valid.eq(group_ends),
        ]
        average, bits = self.i_average, self._bits
        accumulate(m, self.o_window, group, starts=group_starts, average=average, bits=bits)
        return m

    def _term(self, groups: Any, lane: int, select: Signal, upper: Signal) -> Any:
        """Of a lane's terms in a group, the chosen one."""
        sums = list(groups[lane])
        term = Array(sums)[select] if len(sums) > 1 else sums[0]
        half = len(groups) // 2
        return Mux(upper, groups[lane + half][0], term) if lane < half else term

    def _select(self, m: Module, oldest: Signal, upper: Signal) -> Signal:
        """Goes to the next term: the next one of the group, or the first one of the next group."""
        select = Signal(range(max(2, self._sums)))
        single = ~self.i_halves | upper  # the group has no further half
        m.d.sync += upper.eq(~single)
        if not self._sums:
            m.d.sync += oldest.eq(oldest + single)
            return select
        plain, ends = self.i_passes == 0, select == self._sums - 1
        m.d.sync += [
            select.eq(Mux(plain | ends, 0, select + 1)),
            oldest.eq(oldest + Mux(plain, single, self.i_passes + ends)),
        ]
        return select


def accumulate(m: Module, total: Any, term: Any, *, starts: Any, average: Any, bits: int) -> None:
    """Registers ``total``: the term where a reduction starts, else their sum or maximum.

    ``bits``: of what a maximum is chosen from.
    """
    m.d.sync += total.count.eq(Mux(starts, 0, total.count) + term.count)
    for before, value in zip(total.lanes, term.lanes, strict=True):
        one, other = before[:bits].as_signed(), value[:bits].as_signed()
        grown = Mux(average, before + value, Mux(one > other, one, other))
        m.d.sync += before.eq(Mux(starts, value, grown))
