"""The walk of a Winograd patch, from its first place on."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.lib.skid import Skid
from hw.lib.window import POSITION, ROW

PLACE = data.StructLayout({"address": unsigned(32), "row_valid": 1, "position": POSITION})
PATCH = data.StructLayout({"address": unsigned(32), "row": ROW, "position": POSITION})


class Patches(wiring.Component):
    """Walks each patch column by column, one place a cycle, without a gap between two patches.

    What ``o`` waits for reaches ``i`` a cycle later: `Skid`.

    Members
    -------
    i_last_row, i_last_column : of a patch: their numbers. i_height : of the image. i_row_step,
    i_column_step : bytes to the next ones.
    i : the first place of each patch. o : all its places.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i_last_row": In(unsigned(3)),
                "i_last_column": In(unsigned(3)),
                "i_height": In(unsigned(16)),
                "i_row_step": In(unsigned(24)),
                "i_column_step": In(unsigned(20)),
                "i": In(stream.Signature(PATCH)),
                "o": Out(stream.Signature(PLACE)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.skid = skid = Skid(shape=PLACE)
        connect(m, skid.o, flipped(self.o))
        top, place = Signal(PATCH), Signal(PATCH)  # of the column, and the present one
        x, y = Signal.like(self.i_last_column), Signal.like(self.i_last_row)
        right = Signal()  # the last column
        bottom = Signal()  # the last row
        corner = Signal()  # both
        single_row, single_column = Signal(), Signal()
        m.d.sync += [single_row.eq(self.i_last_row == 0), single_column.eq(self.i_last_column == 0)]
        offered = Signal()
        moves = offered & skid.i.ready
        m.d.comb += [
            self.i.ready.eq(~offered | (moves & corner)),
            skid.i.valid.eq(offered),
            skid.i.payload.address.eq(place.address),
            skid.i.payload.position.eq(place.position),
            skid.i.payload.row_valid.eq((place.row >= 0) & (place.row < self.i_height)),
        ]
        following = Signal(PATCH)
        m.d.comb += [
            following.address.eq(top.address + self.i_column_step),
            following.row.eq(top.row),
            following.position.eq(top.position + self.i_column_step),
        ]
        with m.If(moves & corner):
            m.d.sync += offered.eq(0)
        with m.Elif(moves & bottom):
            m.d.sync += [place.eq(following), top.eq(following), y.eq(0), x.eq(x + 1)]
            m.d.sync += [right.eq(x + 1 == self.i_last_column), bottom.eq(single_row)]
            m.d.sync += corner.eq((x + 1 == self.i_last_column) & single_row)
        with m.Elif(moves):
            m.d.sync += [
                place.address.eq(place.address + self.i_row_step),
                place.row.eq(place.row + 1),
                y.eq(y + 1),
                bottom.eq(y + 1 == self.i_last_row),
                corner.eq(right & (y + 1 == self.i_last_row)),
            ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [top.eq(self.i.payload), place.eq(self.i.payload), x.eq(0), y.eq(0)]
            m.d.sync += [right.eq(single_column), bottom.eq(single_row), offered.eq(1)]
            m.d.sync += corner.eq(single_column & single_row)
        return m
