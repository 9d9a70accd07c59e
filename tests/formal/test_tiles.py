"""Tile counters: they visit what nested loops visit, in that order."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Mux, Signal

from hw.sequence.tiles import NEST, NEST_FIELDS, Tiles
from tests.formal.kit import Proof, Verdict, mutated, seeded


def walked(tiles: Any) -> Proof:
    """``for channel tile: for pixel tile: for chunk``, or with the pixel tiles outside."""
    proof = Proof(tiles)
    m = proof.m
    nest = {name: Signal.like(tiles.i_nest[name], name=name) for name in NEST_FIELDS}
    pixels, pixel_tile, channels, channel_tile, chunks = nest.values()
    outside, begun = Signal(), Signal()
    pixel, channel = Signal(len(pixels) + 1), Signal(len(channels) + 1)  # loop variables
    chunk = Signal.like(chunks)
    for name in NEST_FIELDS:
        proof.assume(~tiles.i_load | (tiles.i_nest[name] != 0))

    last_chunk = chunk == chunks - 1
    last_pixel, last_channel = pixel + pixel_tile >= pixels, channel + channel_tile >= channels
    inner_ends = Mux(outside, last_channel, last_pixel)
    with m.If(tiles.i_advance):
        m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))
        with m.If(last_chunk & (inner_ends | ~outside)):
            m.d.sync += pixel.eq(Mux(last_pixel, 0, pixel + pixel_tile))
        with m.If(last_chunk & (inner_ends | outside)):
            m.d.sync += channel.eq(Mux(last_channel, 0, channel + channel_tile))
    with m.If(tiles.i_load):
        m.d.sync += [signal.eq(tiles.i_nest[name]) for name, signal in nest.items()]
        m.d.sync += [outside.eq(tiles.i_pixels_outside), begun.eq(1)]
        m.d.sync += [variable.eq(0) for variable in (pixel, channel, chunk)]

    for found, expected in (
        (tiles.o_pixels, Mux(last_pixel, pixels - pixel, pixel_tile)),
        (tiles.o_channels, Mux(last_channel, channels - channel, channel_tile)),
        (tiles.o_first_chunk, chunk == 0),
        (tiles.o_last_chunk, last_chunk),
        (tiles.o_first_pixels, pixel == 0),
        (tiles.o_last_pixels, last_pixel),
        (tiles.o_last_channels, last_channel),
        (tiles.o_final, last_chunk & last_pixel & last_channel),
    ):
        proof.require(~begun | (found == expected))

    kept = NEST(proof.inner("nest"))
    for name, signal in nest.items():
        proof.require(~begun | ((kept[name] == signal) & (signal != 0)))
    proof.require(proof.inner("outside") == outside)
    proof.require(~begun | ((pixel < pixels) & (channel < channels) & (chunk < chunks)))
    left = {"pixels": pixels - pixel, "channels": channels - channel, "chunks": chunks - chunk}
    for name, value in left.items():
        proof.require(~begun | (proof.inner(name) == value))
    return proof


def test_nest() -> None:
    assert walked(Tiles()).verdict() is Verdict.PROVED


@seeded(
    ("pixels <= nest.pixel_tile", "pixels < nest.pixel_tile"),
    ("Mux(self.o_last_channels, channels, nest.channel_tile)", "nest.channel_tile"),
    ("(outside | self.o_last_pixels)", "self.o_last_pixels"),
    ("Mux(self.o_last_chunk, nest.chunks, chunks - 1)", "chunks - 1"),
)
def test_wrong_nests(text: str, other: str) -> None:
    assert walked(mutated(Tiles, text, other)()).verdict(depth=8) is Verdict.REFUTED
