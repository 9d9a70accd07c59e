"""Weight stationary: an activation word a wave."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value

from hw.conv.sequence.issuer import WaveIssuer


class WeightStationary(WaveIssuer):
    """Issues a wave for each pixel of a chunk, over the weights in the shadow.

    kn2row: a chunk ends with the word that says so, and each word brings its accumulator, since
    pixels differ in the chunks they take.  Winograd: words come from the scratch memory, and
    results are left to the drain.  Both have an all-zero wave before each chunk (2 lanes).
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        sight, request = self.i, self.o
        winograd = sight.winograd
        first = sight.first
        own_head = sight.exact if self._config.lanes == 2 else Const(0)
        takes_parameters = first & sight.first_chunk & sight.first_pixels & ~winograd
        results = sight.last_chunk & ~winograd
        loaded = Mux(own_head, sight.headed, sight.loaded)
        here = Mux(winograd, sight.some_scratch, sight.some)
        may_start = ~first | (loaded & sight.open)
        may_end = ~results | sight.some_room
        issue, last = Signal(), Signal()
        m.d.comb += [
            issue.eq(self.i_active & here & may_start & may_end),
            last.eq(Mux(sight.skips, sight.chunk_ends, Mux(first, sight.single_pixel, sight.ends))),
        ]
        with m.If(self.i_active):
            m.d.comb += [
                request.head.eq(own_head & first),
                request.stall.activation.eq(~here),
                request.stall.weight.eq(here & first & ~(loaded & sight.settled)),
                request.stall.output.eq(here & ~may_end),
            ]
        with m.If(issue):
            m.d.comb += [
                request.issued.eq(1),
                request.advance.eq(1),
                request.restart.eq(last),
                request.sums.eq(1),
                request.done.eq(last),
                request.swap.eq(first & ~own_head),
                request.addressed.eq(sight.skips),
                request.reserve.eq(results),
                request.busy.eq(Mux(results, self._config.columns, 0)),
                *self._pop(last),
                *self._wave(first & ~own_head, results, takes_parameters),
            ]
        return m

    def _pop(self, last: Value) -> list[Any]:
        """The wave's word; a scratch segment stays until its last channel tile has read it."""
        sight, request = self.i, self.o
        again = sight.last_chunk & ~sight.last_channels
        return [
            request.activation_pop.eq(~sight.winograd),
            request.scratch_pop.pop.eq(sight.winograd),
            request.scratch_pop.hold.eq(~sight.last_channels),
            request.scratch_pop.rewind.eq(sight.winograd & last & again),
        ]

    def _wave(self, swap: Any, results: Any, takes_parameters: Any) -> list[Any]:
        wave = self.o.wave
        return [
            wave.left.activation.eq(1),
            wave.scratch.eq(self.i.winograd),
            wave.swap.eq(swap),
            wave.tag.valid.eq(1),
            wave.tag.first.eq(self.i.first_chunk),
            wave.tag.last.eq(results),
            wave.tag.exact.eq(self.i.exact),
            wave.tag.swap.eq(takes_parameters),
            wave.tag.address.eq(self.i.step),
        ]
