"""The window walk of the feeder and the pooling engine: byte addresses of taps, by additions only.

Tap (ky, kx) of output pixel (oy, ox), word ``w``:

    row      = row0 + oy * row_step + ky * tap_row_step, inside iff 0 <= row < height
    position = position0 + ox * column_step + kx * tap_column_step + w * word_bytes
    address  = address + oy * row_step_bytes + ky * tap_row_bytes + position

Byte i of the word is inside iff the row is and 0 <= position + i < row_pitch.
"""

from __future__ import annotations

import enum
from typing import Any

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.isa import WINDOW
from hw.isa.config import OverlayConfig
from hw.lib.relay import Relay

WINDOW_LAYOUT = data.StructLayout(WINDOW)

ROW = signed(18)  # height, and as much again for padding and dilation
POSITION = signed(26)  # row pitch, likewise


class Step(enum.IntEnum):
    """Movement along a tap or word axis."""

    HOLD = 0
    NEXT = 1
    FIRST = 2


class PixelStep(enum.IntEnum):
    """Movement along the output pixels."""

    HOLD = 0
    NEXT = 1
    AGAIN = 2  # to the tile's first pixel
    TILE = 3  # to the next pixel, which becomes the tile's first
    FIRST = 4  # to the image's first pixel, which becomes the tile's first


def walk_step(extra: Any) -> data.StructLayout:
    """Payload of a step: what to do on each axis once the present place is taken."""
    return data.StructLayout(
        {
            "pixel": PixelStep,
            "tap_row": Step,
            "tap_column": Step,
            "word": Step,
            "extra": extra,  # handed on with the place
        }
    )


def walk_place(extra: Any) -> data.StructLayout:
    """Payload of a place: a word's address and where it lies in the image."""
    return data.StructLayout(
        {
            "address": unsigned(32),
            "row": ROW,
            "row_valid": 1,
            "position": POSITION,
            "extra": extra,
        }
    )


class WindowWalker(wiring.Component):
    """Names the present place for each step and moves on: one place a cycle.

    The loops stand in the steps, so any nest is possible; moving on from the last column of an
    output row goes to the first of the next.

    Parameters
    ----------
    config : the overlay's.
    word_bytes : distance of two words on the word axis.
    extra : shape of what travels along with a place.

    Members
    -------
    i_window : In. To be held from the start until the last place has been taken.
    i_start : In. Goes to the first place of all; no step may be offered in that cycle.
    i : In, stream of ``walk_step(extra)``.
    o : Out, stream of ``walk_place(extra)``, ``WALK_LATENCY`` cycles later; ``address`` is modulo
        the tensor memory's capacity. What it waits for reaches ``i`` a cycle later: `Relay`.
    """

    def __init__(self, *, config: OverlayConfig, word_bytes: int, extra: Any) -> None:
        if not isinstance(word_bytes, int) or word_bytes < 1:
            raise ValueError(f"word_bytes must be a positive integer, not {word_bytes!r}")
        self._word_bytes = word_bytes
        line = unsigned(exact_log2(config.tensor_bytes))
        self._pixel = data.StructLayout(
            {
                "row": ROW,
                "line": line,
                "position": POSITION,
                "columns_left": unsigned(16),
                "row_ends": 1,
            }
        )
        self._tap = data.StructLayout({"row": ROW, "line": line, "position": POSITION})
        self._extra = extra
        super().__init__(
            {
                "i_window": In(WINDOW_LAYOUT),
                "i_start": In(1),
                "i": In(stream.Signature(walk_step(extra))),
                "o": Out(stream.Signature(walk_place(extra))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        moves = Signal()
        pixel = self._walk_pixels(m, moves)
        tap = self._walk_taps(m, moves)
        word = Signal(POSITION, reset_less=True)
        steps = {Step.NEXT: word + self._word_bytes, Step.FIRST: 0}
        self._move(m, moves, self.i.payload.word, word, steps)
        with m.If(self.i_start):
            m.d.sync += word.eq(0)

        places = data.StructLayout({**self._tap.members, "extra": self._extra})
        place = Signal(places, reset_less=True)
        placed = Signal()
        m.submodules.relay = relay = Relay(shape=walk_place(self._extra))
        connect(m, relay.o, flipped(self.o))
        found = relay.i.payload
        m.d.comb += [
            relay.i.valid.eq(placed),
            found.address.eq((place.line + place.position)[: len(place.line)]),
            found.row.eq(place.row),
            found.row_valid.eq((place.row >= 0) & (place.row < self.i_window.height)),
            found.position.eq(place.position),
            found.extra.eq(place.extra),
            self.i.ready.eq(~placed | relay.i.ready),
            moves.eq(self.i.valid & self.i.ready),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                placed.eq(self.i.valid),
                place.row.eq(pixel.row + tap.row),
                place.line.eq(pixel.line + tap.line),
                place.position.eq(pixel.position + tap.position + word),
                place.extra.eq(self.i.payload.extra),
            ]
        return m

    def _walk_pixels(self, m: Module, moves: Value) -> Any:
        """The part of a place that depends on the output pixel."""
        window = self.i_window
        present, tile, following, first = (
            Signal(self._pixel, name=name, reset_less=True)
            for name in ("pixel", "tile", "following", "first")
        )
        m.d.comb += [
            first.row.eq(window.row0),
            first.line.eq(window.address),
            first.position.eq(window.position0),
            first.columns_left.eq(window.out_width - 1),
            first.row_ends.eq(window.out_width == 1),
            following.row.eq(present.row),
            following.line.eq(present.line),
            following.position.eq(present.position + window.column_step),
            following.columns_left.eq(present.columns_left - 1),
            following.row_ends.eq(present.columns_left == 1),
        ]
        with m.If(present.row_ends):
            m.d.comb += [
                following.row.eq(present.row + window.row_step),
                following.line.eq(present.line + window.row_step_bytes),
                following.position.eq(first.position),
                following.columns_left.eq(first.columns_left),
                following.row_ends.eq(first.row_ends),
            ]
        step = self.i.payload.pixel
        steps = {PixelStep.NEXT: following, PixelStep.AGAIN: tile, PixelStep.TILE: following}
        self._move(m, moves, step, present, {**steps, PixelStep.FIRST: first})
        self._move(m, moves, step, tile, {PixelStep.TILE: following, PixelStep.FIRST: first})
        with m.If(self.i_start):
            m.d.sync += [present.eq(first), tile.eq(first)]
        return present

    def _walk_taps(self, m: Module, moves: Value) -> Any:
        """The part of a place that depends on the tap."""
        window = self.i_window
        step = self.i.payload
        tap = Signal(self._tap, reset_less=True)
        row_next = {Step.NEXT: tap.row + window.tap_row_step, Step.FIRST: 0}
        line_next = {Step.NEXT: tap.line + window.tap_row_bytes, Step.FIRST: 0}
        position_next = {Step.NEXT: tap.position + window.tap_column_step, Step.FIRST: 0}
        self._move(m, moves, step.tap_row, tap.row, row_next)
        self._move(m, moves, step.tap_row, tap.line, line_next)
        self._move(m, moves, step.tap_column, tap.position, position_next)
        with m.If(self.i_start):
            m.d.sync += tap.eq(0)
        return tap

    def _move(self, m: Module, moves: Value, step: Any, state: Any, steps: dict[Any, Any]) -> None:
        with m.If(moves):
            with m.Switch(step):
                for case, value in steps.items():
                    with m.Case(case):
                        m.d.sync += state.eq(value)
