"""Which pixel and which channels each result word holds."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.rounds import Rounds
from hw.lib.sizes import check_sizes


class Track(wiring.Component):
    """The address of the current pixel of one tensor, by additions.

    Members
    -------
    i_base, i_pitch : of the tensor; held.
    i_step : one of the moves below is made; they are known before it.
    i_image : without a step, to the first pixel, a tile's first.
    i_tile : what follows is a new tile, behind the highest pixel so far.
    i_restart : back to the tile's first pixel.
    i_up : to the next pixel. None of these: to the previous one.
    o_address : of the current pixel.
    """

    STROBES = ("step", "image", "tile", "restart", "up")

    def __init__(self) -> None:
        strobes = {f"i_{name}": In(1) for name in self.STROBES}
        address = unsigned(32)
        ports = {"i_base": In(address), "i_pitch": In(unsigned(24)), "o_address": Out(address)}
        super().__init__({**ports, **strobes})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first, highest = Signal(32), Signal(32)
        higher, lower = self.o_address + self.i_pitch, self.o_address - self.i_pitch
        following = highest + self.i_pitch
        address = Mux(self.i_up, higher, lower)
        with m.If(self.i_step):
            m.d.sync += self.o_address.eq(Mux(self.i_restart, first, address))
            with m.If(self.i_up & ~self.i_restart):
                m.d.sync += highest.eq(higher)
            with m.If(self.i_tile):
                m.d.sync += [signal.eq(following) for signal in (self.o_address, first, highest)]
        with m.If(self.i_image):
            m.d.sync += [signal.eq(self.i_base) for signal in (self.o_address, first, highest)]
        return m


# Moves behind a word, known before it is taken: to the tile's next group, from the last one to the
# next tile's first, back to the first group of the tile or of the first tile.
GROUP_MOVE = data.StructLayout({"group": 1, "tile": 1, "again": 1, "first": 1})


class ChannelGroups(wiring.Component):
    """The channels of a word: a channel tile comes in groups of C, the last of which may be short.

    Parameters
    ----------
    columns : C, the most channels of a word.

    Members
    -------
    i_channels : of the tile; those of another tile from the cycle after its move on.
    i_begin : to the first group of the first tile.
    i_step, i_move : one of the moves is made, see `GROUP_MOVE`.
    i_turned : words have their channels in the highest bytes; held.
    o_offset : the first channel. o_size : how many, in the cycle after.
    o_last, o_start : the group is its tile's last; the channel in the word's first byte, which is
    negative where a first group is short. Registers, right from the second cycle after a move on,
    or the first after one to the next group.
    """

    def __init__(self, *, columns: int) -> None:
        check_sizes(1, columns=columns)
        self._columns = columns
        channels = unsigned(16)
        strobes = {f"i_{name}": In(1) for name in ("begin", "step", "turned")}
        outputs = {"offset": channels, "size": channels, "start": signed(17), "last": 1}
        ports = {f"o_{name}": Out(shape) for name, shape in outputs.items()}
        moves = {"i_channels": In(channels), "i_move": In(GROUP_MOVE)}
        super().__init__({**moves, **strobes, **ports})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns, offset, move = self._columns, self.o_offset, self.i_move
        first, left = Signal(16), Signal(16)  # the tile's first; those not in earlier groups
        fresh = Signal()  # the tile's first group
        rest = Mux(fresh, self.i_channels, left)
        next_tile, next_group = Signal(16), Signal(16)
        regroups = self.i_step & move.group
        ends = rest <= columns
        last = Mux(regroups, rest <= 2 * columns, ends)
        m.d.comb += [
            next_tile.eq(offset + rest),
            next_group.eq(offset + columns),
        ]
        # A short group's first byte is as far before the tile's end, whichever group it is.
        first_byte = Mux(regroups, next_group, offset)
        m.d.sync += [
            self.o_size.eq(Mux(ends, rest, columns)),
            self.o_last.eq(last),
            self.o_start.eq(Mux(self.i_turned & last, offset + rest - columns, first_byte)),
        ]
        with m.If(self.i_step):
            to_tile = Mux(move.tile, next_tile, Mux(move.again, first, next_group))
            m.d.sync += [
                fresh.eq(~move.group),
                left.eq(rest - columns),
                offset.eq(Mux(move.first, 0, to_tile)),
            ]
            with m.If(move.tile | move.first):
                m.d.sync += first.eq(Mux(move.first, 0, next_tile))
        with m.If(self.i_begin):
            m.d.sync += [fresh.eq(1), offset.eq(0), first.eq(0)]
        return m


class PixelWalk(wiring.Component):
    """The order of the words of a convolution without transforms.

    WS: pixels ascending. IS: groups of channels, in each the pixels ascending. NS: a tile's pixels
    descending, for which the walk first climbs to the tile's last one while the array computes.
    Between two tiles a cycle is left to look at the next one.

    Members
    -------
    i_start : a convolution begins. i_descends : its order; held.
    i_pixels, i_single : of the tile; it is one. i_last_group : the word's channels are the channel
    tile's last.
    i_last_pixels, i_final : the tile is the channel tile's, or the convolution's last.
    i_taken : a word is taken, in another order, too. o_ready : the walk is at the next word's
    place.
    o_track : what the tracks do. o_leaves : the word is the last of its group.
    """

    def __init__(self) -> None:
        place = ("single", "last_group", "last_pixels", "final")
        inputs = ("start", "descends", *place, "taken")
        super().__init__(
            {
                **{f"i_{name}": In(1) for name in inputs},
                "i_pixels": In(unsigned(16)),
                "o_ready": Out(1),
                "o_leaves": Out(1),
                "o_track": Out(wiring.Signature({name: Out(1) for name in Track.STROBES})),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.pixels = pixels = Rounds(bits=16)
        last_pixel = pixels.o_last
        m.d.comb += [pixels.i_count.eq(self.i_pixels), pixels.i_single.eq(self.i_single)]
        # Before an image's first tile; before a tile; on the way to its last pixel; at its words.
        image, tile, climbs, words = (Signal(name=n) for n in ("image", "tile", "climbs", "words"))
        ends = words & self.i_taken & last_pixel & self.i_last_group
        begins_climb = tile & self.i_descends & ~self.i_single  # with a first step up
        arrives = climbs & last_pixel
        m.d.sync += [
            image.eq(self.i_start | (ends & self.i_last_pixels & ~self.i_final)),
            tile.eq(image | (ends & ~self.i_last_pixels)),
            climbs.eq(begins_climb | (climbs & ~last_pixel)),
            words.eq((tile & ~begins_climb) | arrives | (words & ~ends)),
        ]
        with m.If(begins_climb):
            m.d.comb += pixels.i_count.eq(self.i_pixels - 1)
            m.d.comb += pixels.i_single.eq(self.i_pixels == 2)
        m.d.comb += [
            self.o_leaves.eq(last_pixel),
            self.o_ready.eq(words),
            pixels.i_start.eq(tile | arrives),
            pixels.i_advance.eq(climbs | self.i_taken),
            self.o_track.image.eq(image),
        ]
        up = begins_climb | (climbs & ~last_pixel)
        m.d.comb += [
            self.o_track.step.eq(up | self.i_taken),
            self.o_track.up.eq(~words | ~self.i_descends),
            self.o_track.restart.eq(words & last_pixel & ~self.i_last_group),
            self.o_track.tile.eq(words & last_pixel & self.i_last_group),
        ]
        return m
