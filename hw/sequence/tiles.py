"""The loop nest of a convolution: channel tiles, pixel tiles, chunks."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import CONV

NEST_FIELDS = ("pixels", "pixel_tile", "channels", "channel_tile", "chunks")
NEST = data.StructLayout({name: CONV[name].shape for name in NEST_FIELDS})


class Tiles(wiring.Component):
    """Walks ``for channel tile: for pixel tile: for chunk``, one step an ``i_advance``.

    With ``i_pixels_outside`` the first two loops change places.

    Outputs describe the current step, from the cycle after ``i_load`` or ``i_advance`` on.

    Members
    -------
    i_load, i_nest, i_pixels_outside : start of a nest.
    i_advance : to the next step.
    o_pixels, o_channels : size of the current tile.
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
                "o_pixels": Out(unsigned(16)),
                "o_channels": Out(unsigned(16)),
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
        nest = Signal(NEST)
        outside = Signal()
        pixels = Signal.like(nest.pixels)
        channels = Signal.like(nest.channels)
        chunks = Signal.like(nest.chunks)
        m.d.comb += [
            self.o_last_chunk.eq(chunks == 1),
            self.o_first_chunk.eq(chunks == nest.chunks),
            self.o_last_pixels.eq(pixels <= nest.pixel_tile),
            self.o_first_pixels.eq(pixels == nest.pixels),
            self.o_last_channels.eq(channels <= nest.channel_tile),
            self.o_pixels.eq(Mux(self.o_last_pixels, pixels, nest.pixel_tile)),
            self.o_channels.eq(Mux(self.o_last_channels, channels, nest.channel_tile)),
            self.o_final.eq(self.o_last_chunk & self.o_last_pixels & self.o_last_channels),
        ]
        with m.If(self.i_load):
            m.d.sync += [
                nest.eq(self.i_nest),
                outside.eq(self.i_pixels_outside),
                pixels.eq(self.i_nest.pixels),
                channels.eq(self.i_nest.channels),
                chunks.eq(self.i_nest.chunks),
            ]
        with m.Elif(self.i_advance):
            m.d.sync += chunks.eq(Mux(self.o_last_chunk, nest.chunks, chunks - 1))
            with m.If(self.o_last_chunk & (~outside | self.o_last_channels)):
                m.d.sync += pixels.eq(
                    Mux(self.o_last_pixels, nest.pixels, pixels - nest.pixel_tile)
                )
            with m.If(self.o_last_chunk & (outside | self.o_last_pixels)):
                m.d.sync += channels.eq(
                    Mux(self.o_last_channels, nest.channels, channels - nest.channel_tile)
                )
        return m
