"""Where a walk along one direction of a map stands in the windows that overlap there."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.lib.sizes import check_sizes
from hw.stages.maximum_shape import MaximumShape
from hw.stages.pass_walk import below


class WindowTrack(wiring.Component):
    """Walks over ``MaximumShape.walked`` pixels, again and again; window w has phase w mod overlap.

    Parameters
    ----------
    pool : the windows. size : of the map.

    Members
    -------
    i_next : In. To the next pixel.
    o_begins, o_within, o_ends : Out. For each phase: the pixel is the first of the map in its
        window, lies in it, is its last. At most one window ends at a pixel.
    o_outside : Out. The pixel lies behind the map. o_last : Out. It is the walk's last.
    """

    def __init__(self, *, pool: MaximumShape, size: int) -> None:
        check_sizes(1, size=size)
        self._pool = pool
        self._size = size
        phases = pool.overlap
        super().__init__(
            {
                "i_next": In(1),
                "o_begins": Out(phases),
                "o_within": Out(phases),
                "o_ends": Out(phases),
                "o_outside": Out(1),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = self._pool
        walked = pool.walked(self._size)
        span = pool.overlap * pool.stride  # from a window to the next of its phase
        pixel, ended = Signal(below(walked)), Signal(range(pool.size_out + 1))
        some = ended != pool.size_out
        m.d.comb += [
            self.o_last.eq(pixel == walked - 1),
            self.o_outside.eq(pixel >= self._size),
        ]
        with m.If(self.i_next):
            m.d.sync += [
                pixel.eq(Mux(self.o_last, 0, pixel + 1)),
                ended.eq(Mux(self.o_last, 0, ended + self.o_ends.any())),
            ]
        for phase in range(pool.overlap):
            start = pool.pad - phase * pool.stride
            place = Signal(
                signed((span + pool.kernel).bit_length() + 1), name=f"place_{phase}", init=start
            )
            m.d.comb += [
                self.o_within[phase].eq(place >= 0),
                self.o_begins[phase].eq((place == 0) | (pixel == 0)),
                self.o_ends[phase].eq((place == pool.kernel - 1) & some),
            ]
            with m.If(self.i_next):
                m.d.sync += place.eq(
                    Mux(
                        self.o_last,
                        start,
                        Mux(place == pool.kernel - 1, pool.kernel - span, place + 1),
                    )
                )
        return m
