"""Units of a finished Winograd tile: where their elements stand, and room for their results."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.conv.array.output_turn import GROUPS
from hw.isa.config import OverlayConfig
from hw.lib.algorithm import multiple, of_transform
from hw.lib.occupancy import Occupancy


class UnitWalk(wiring.Component):
    """The accumulators of a unit's elements: column by column, as the output transform wants them.

    Members
    -------
    i_begin, i_unit : to the first element of that unit.
    i_step : to the next element. i_units, i_transform : of the tile; held.
    o_address : of the element. o_last : it is the unit's last.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_begin": In(1),
                "i_unit": In(unsigned(16)),
                "i_step": In(1),
                "i_units": In(unsigned(16)),
                "i_transform": In(config.transform_bits),
                "o_address": Out(config.address_bits),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, index = self._config, self.i_transform
        bottom = of_transform(config, index, lambda t: t.y.alpha - 1)
        right = of_transform(config, index, lambda t: t.x.alpha - 1)
        row = of_transform(config, index, lambda t: multiple(self.i_units, t.x.alpha))
        i, j = Signal(3), Signal(3)
        last_row = Signal()
        last_column = Signal()
        column = Signal(self._config.address_bits)  # of its first element
        m.d.comb += self.o_last.eq(last_row & last_column)
        with m.If(self.i_step):
            m.d.sync += [i.eq(i + 1), last_row.eq(i + 1 == bottom)]
            m.d.sync += self.o_address.eq(self.o_address + row)
        with m.If(self.i_step & last_row):
            following = column + self.i_units
            m.d.sync += [
                i.eq(0),
                last_row.eq(bottom == 0),
                j.eq(j + 1),
                last_column.eq(j + 1 == right),
            ]
            m.d.sync += [column.eq(following), self.o_address.eq(following)]
        with m.If(self.i_begin):
            m.d.sync += [i.eq(0), j.eq(0), last_row.eq(bottom == 0), last_column.eq(right == 0)]
            m.d.sync += [column.eq(self.i_unit), self.o_address.eq(self.i_unit)]
        return m


class UnitRoom(wiring.Component):
    """Whether the next unit's results have room: in the output FIFO, or IS in the output turn.

    Members
    -------
    i_by_channel, i_last_unit, i_transform : of the tile and the unit; held while it lasts.
    i_active : a unit is under way. i_begin : the next one begins. i_end : one ends.
    i_room : free words of the output FIFO. i_turn_done : the output turn has delivered a group.
    o_room : the next unit may begin: there was room a cycle ago. o_reserve, o_words : words
    that a unit reserves, the cycle after it begins.
    o_close : the unit is the last of its group. o_empty : no group is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        words = unsigned(config.output_depth.bit_length())
        names = ("by_channel", "last_unit", "active", "begin", "end", "turn_done")
        super().__init__(
            {
                **{f"i_{name}": In(1) for name in names},
                "i_transform": In(config.transform_bits),
                "i_room": In(words),
                "o_room": Out(1),
                "o_reserve": Out(1),
                "o_words": Out(words),
                "o_close": Out(1),
                "o_empty": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self._config.columns
        pixels = of_transform(self._config, self.i_transform, lambda t: t.pixels)
        m.submodules.groups = groups = Occupancy(depth=GROUPS)
        member = Signal(range(columns))  # of the group
        opens, closes = Signal(init=1), Signal(init=columns == 1)  # it is the first; or the last
        fresh = Mux(self.i_active, self.o_close, opens)  # the next unit starts a group
        starts = self.i_begin & self.i_by_channel & fresh
        with m.If(self.i_end):
            m.d.sync += [
                member.eq(Mux(self.o_close, 0, member + 1)),
                opens.eq(self.o_close),
                closes.eq(Mux(self.o_close, columns == 1, member == columns - 2)),
            ]
        # Units last: what one reserves is seen long before the next one asks.
        fits = self.i_room >= pixels
        m.d.sync += [
            self.o_room.eq(Mux(self.i_by_channel, ~fresh | groups.o_room, fits)),
            self.o_reserve.eq(self.i_begin & ~self.i_by_channel),
        ]
        m.d.comb += [
            self.o_words.eq(Mux(self.i_by_channel, 1, pixels)),
            groups.i_enters.eq(starts),
            groups.i_leaves.eq(self.i_turn_done),
            self.o_close.eq(closes | self.i_last_unit),
            self.o_empty.eq(~groups.o_some),
        ]
        return m
