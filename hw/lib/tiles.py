"""The loop nest of a convolution: channel tiles, pixel tiles, chunks."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import CONV
from hw.lib.sizes import check_sizes

NEST_FIELDS = ("pixels", "pixel_tile", "channels", "channel_tile", "chunks")
NEST = data.StructLayout({name: CONV[name].shape for name in NEST_FIELDS})
SIZE = unsigned(16)  # of a tile


def place_layout(bits: int) -> data.StructLayout:
    """A tile of an axis: its size, whether that is one, what is left behind it, where it and the
    next one are."""
    return data.StructLayout(
        {
            "size": SIZE,
            "behind": unsigned(bits),
            "single": 1,
            "first": 1,
            "last": 1,
            "last_next": 1,
        }
    )


class Axis(wiring.Component):
    """One loop of a nest: an axis in tiles, the last of which may be shorter, again and again.

    All outputs are registers, and what follows is known a step ahead: of a step, only a
    multiplexer lies behind ``i_advance``.

    Parameters
    ----------
    bits : width of the axis's length.

    Members
    -------
    i_load, i_length, i_tile : start; neither may be zero.
    i_advance : to the next tile; behind the last one to the first.
    o_size : of the tile. o_single : it is one. o_first, o_last : where the tile is.
    """

    def __init__(self, *, bits: int) -> None:
        check_sizes(1, bits=bits)
        self._place = place_layout(bits)
        super().__init__(
            {
                "i_load": In(1),
                "i_length": In(unsigned(bits)),
                "i_tile": In(SIZE),
                "i_advance": In(1),
                "o_size": Out(SIZE),
                "o_single": Out(1),
                "o_first": Out(1),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tile = Signal(SIZE)
        single_tile = Signal()
        now = Signal(self._place)
        start = Signal(self._place)
        begin = Signal(self._place)
        step = Signal(self._place)
        whole = self.i_length <= self.i_tile
        m.d.comb += [
            begin.size.eq(Mux(whole, self.i_length, self.i_tile)),
            begin.behind.eq(self.i_length - self.i_tile),
            begin.single.eq((self.i_length == 1) | (self.i_tile == 1)),
            begin.first.eq(1),
            begin.last.eq(whole),
            begin.last_next.eq(self.i_length <= self.i_tile << 1),
            step.size.eq(Mux(now.last_next, now.behind, tile)),
            step.behind.eq(now.behind - tile),
            step.single.eq(Mux(now.last_next, now.behind == 1, single_tile)),
            step.last.eq(now.last_next),
            step.last_next.eq(now.behind <= tile << 1),
            self.o_size.eq(now.size),
            self.o_single.eq(now.single),
            self.o_first.eq(now.first),
            self.o_last.eq(now.last),
        ]
        with m.If(self.i_load):
            m.d.sync += [tile.eq(self.i_tile), single_tile.eq(self.i_tile == 1)]
            m.d.sync += [start.eq(begin), now.eq(begin)]
        with m.Elif(self.i_advance):
            m.d.sync += now.eq(Mux(now.last, start, step))
        return m


class Tiles(wiring.Component):
    """Walks ``for channel tile: for pixel tile: for chunk``, one step an ``i_advance``.

    With ``i_pixels_outside`` the first two loops change places.

    Outputs describe the current step, from the cycle after ``i_load`` or ``i_advance`` on.

    Members
    -------
    i_load, i_nest, i_pixels_outside : start of a nest.
    i_advance : to the next step.
    o_pixels, o_channels : size of the current tile. o_single_pixel, o_single_channel : it is one.
    o_first_chunk, o_last_chunk, o_first_pixels, o_last_pixels, o_last_channels : position.
    o_final : the nest's last step.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i_load": In(1),
                "i_nest": In(NEST),
                "i_pixels_outside": In(1),
                "i_advance": In(1),
                "o_pixels": Out(SIZE),
                "o_channels": Out(SIZE),
                "o_single_pixel": Out(1),
                "o_single_channel": Out(1),
                "o_first_chunk": Out(1),
                "o_last_chunk": Out(1),
                "o_first_pixels": Out(1),
                "o_last_pixels": Out(1),
                "o_last_channels": Out(1),
                "o_final": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        nest = self.i_nest
        m.submodules.chunks = chunks = Axis(bits=len(nest.chunks))
        m.submodules.pixels = pixels = Axis(bits=len(nest.pixels))
        m.submodules.channels = channels = Axis(bits=len(nest.channels))
        outside = Signal()
        ends = self.i_advance & chunks.o_last
        with m.If(self.i_load):
            m.d.sync += outside.eq(self.i_pixels_outside)
        for axis, length, tile, advance in (
            (chunks, nest.chunks, 1, self.i_advance),
            (pixels, nest.pixels, nest.pixel_tile, ends & (~outside | channels.o_last)),
            (channels, nest.channels, nest.channel_tile, ends & (outside | pixels.o_last)),
        ):
            m.d.comb += [
                axis.i_load.eq(self.i_load),
                axis.i_length.eq(length),
                axis.i_tile.eq(tile),
                axis.i_advance.eq(advance),
            ]
        m.d.comb += [
            self.o_first_chunk.eq(chunks.o_first),
            self.o_last_chunk.eq(chunks.o_last),
            self.o_pixels.eq(pixels.o_size),
            self.o_single_pixel.eq(pixels.o_single),
            self.o_first_pixels.eq(pixels.o_first),
            self.o_last_pixels.eq(pixels.o_last),
            self.o_channels.eq(channels.o_size),
            self.o_single_channel.eq(channels.o_single),
            self.o_last_channels.eq(channels.o_last),
            self.o_final.eq(chunks.o_last & pixels.o_last & channels.o_last),
        ]
        return m
