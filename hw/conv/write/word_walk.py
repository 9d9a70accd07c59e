"""Which pixel and which channels each result word holds."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.counted_steps import Steps
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


class ChannelGroups(wiring.Component):
    """The channels of a word: a channel tile comes in groups of C, the last of which may be short.

    Parameters
    ----------
    columns : C, the most channels of a word.

    Members
    -------
    i_channels : of the tile; those of another tile from the cycle after its strobe on.
    i_group, i_tile : to the next group, or to the next tile's first.
    i_again, i_first : back to the first group of the tile, or of the first tile.
    i_turned : words have their channels in the highest bytes; held.
    o_offset : the first channel. o_size : how many, in the cycle after.
    o_last, o_start : the group is its tile's last; the channel in the word's first byte, which is
    negative where a first group is short. Registers, right from the second cycle after a strobe on,
    or the first after ``i_group``.
    """

    def __init__(self, *, columns: int) -> None:
        check_sizes(1, columns=columns)
        self._columns = columns
        channels = unsigned(16)
        strobes = {f"i_{name}": In(1) for name in ("group", "tile", "again", "first", "turned")}
        outputs = {"offset": channels, "size": channels, "start": signed(17), "last": 1}
        ports = {f"o_{name}": Out(shape) for name, shape in outputs.items()}
        super().__init__({"i_channels": In(channels), **strobes, **ports})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns, offset = self._columns, self.o_offset
        first, left = Signal(16), Signal(16)  # the tile's first; those not in earlier groups
        fresh = Signal()  # the tile's first group
        rest = Mux(fresh, self.i_channels, left)
        m.d.sync += [
            self.o_size.eq(Mux(rest <= columns, rest, columns)),
            self.o_last.eq(rest <= columns),
            self.o_start.eq(self._start(offset, rest, rest <= columns)),
        ]
        with m.If(self.i_group):
            last = rest <= 2 * columns
            m.d.sync += [
                fresh.eq(0),
                left.eq(rest - columns),
                offset.eq(offset + columns),
                self.o_last.eq(last),
                self.o_start.eq(self._start(offset + columns, rest - columns, last)),
            ]
        with m.If(self.i_tile):
            following = offset + Mux(rest <= columns, rest, columns)
            m.d.sync += [fresh.eq(1), offset.eq(following), first.eq(following)]
        with m.If(self.i_again):
            m.d.sync += [fresh.eq(1), offset.eq(first)]
        with m.If(self.i_first):
            m.d.sync += [fresh.eq(1), offset.eq(0), first.eq(0)]
        return m

    def _start(self, offset: Any, rest: Any, last: Any) -> Any:
        """The channel in a word's first byte: before the group's, if the group is short."""
        short = self.i_turned & last
        return offset - Mux(short, self._columns - rest, 0)


class PixelWalk(wiring.Component):
    """The order of the words of a convolution without transforms.

    WS: pixels ascending. IS: groups of channels, in each the pixels ascending. NS: a tile's pixels
    descending, for which the walk first climbs to the tile's last one while the array computes.

    Members
    -------
    i_start : a convolution begins. i_by_channel, i_descends : its order; held.
    i_pixels, i_single : of the tile; it is one. i_last_group : the word's channels are the channel
    tile's last.
    i_last_pixels, i_final : the tile is the channel tile's, or the convolution's last.
    i_taken : a word is taken. o_ready : the walk is at the next word's place.
    o_track : what the tracks do. o_group, o_tile, o_again : what the channel groups do.
    o_advance : to the next tile. o_last : with ``i_taken``, the convolution's last word.
    """

    def __init__(self) -> None:
        order, place = ("by_channel", "descends"), ("single", "last_group", "last_pixels", "final")
        inputs = ("start", *order, *place, "taken")
        outputs = ("ready", "group", "tile", "again", "advance", "last")
        super().__init__(
            {
                **{f"i_{name}": In(1) for name in inputs},
                "i_pixels": In(unsigned(16)),
                **{f"o_{name}": Out(1) for name in outputs},
                "o_track": Out(wiring.Signature({name: Out(1) for name in Track.STROBES})),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.pixels = pixels = Steps(bits=16)
        last_pixel = pixels.o_last
        m.d.comb += [pixels.i_count.eq(self.i_pixels), pixels.i_single.eq(self.i_single)]
        regroups = self.i_by_channel & ~self.i_last_group  # behind the last pixel, that is
        climbs, ends = Signal(), Signal()
        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.i_start):
                    m.next = "IMAGE"
            with m.State("IMAGE"):
                m.d.comb += self.o_track.image.eq(1)
                m.next = "CLIMB"
            with m.State("CLIMB"):
                m.d.comb += [climbs.eq(self.i_descends & ~last_pixel), pixels.i_advance.eq(climbs)]
                with m.If(~climbs):
                    m.d.comb += pixels.i_start.eq(1)
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += [self.o_ready.eq(1), pixels.i_advance.eq(self.i_taken)]
                m.d.comb += ends.eq(self.i_taken & last_pixel & ~regroups)
                with m.If(ends):
                    m.next = "CLIMB"
                with m.If(ends & self.i_last_pixels):
                    m.next = "IMAGE"
                with m.If(self.o_last):
                    m.next = "IDLE"
        m.d.comb += [
            self.o_track.step.eq(climbs | (self.o_ready & self.i_taken)),
            self.o_track.up.eq(fsm.ongoing("CLIMB") | ~self.i_descends),
            self.o_track.restart.eq(self.o_ready & last_pixel & regroups),
            self.o_track.tile.eq(self.o_ready & last_pixel & ~regroups),
            self.o_group.eq(self.o_ready & self.i_taken & last_pixel & regroups),
            self.o_tile.eq(ends & self.i_last_pixels),
            self.o_again.eq(ends & ~self.i_last_pixels),
            self.o_advance.eq(ends),
            self.o_last.eq(ends & self.i_final),
        ]
        return m
