"""Input stationary: a weight word a wave, in groups."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value

from hw.conv.sequence.issuer import WaveIssuer, replayed


class InputStationary(WaveIssuer):
    """Issues a wave for each channel of a tile, over the activations in the shadow.

    Waves come in atomic groups of at most C, behind an all-zero wave a chunk (2 lanes).  A group's
    closing wave keeps P cycles from the previous result, since P words leave the corner turn after
    it.  Winograd: results are left to the drain.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns, sight, request = self._config.columns, self.i, self.o
        first = sight.step == 0
        size, left = Signal(range(columns + 1)), Signal(range(columns + 1))
        rest = sight.channels - sight.step
        results = sight.last_chunk & ~sight.winograd
        free = sight.free | ~(sight.first_chunk & sight.winograd)
        loaded = sight.headed if self._config.lanes == 2 else sight.loaded
        ready = ~first | (loaded & sight.settled & free)
        here = sight.weights >= size
        may_end = ~results | ((sight.room >= sight.pixels) & (sight.spacing <= size))
        between = self.i_active & (left == 0)
        begin = Signal()
        m.d.comb += [
            size.eq(Mux(rest < columns, rest, columns)),
            begin.eq(between & ready & here & may_end),
            request.stall.activation.eq(between & ~ready),
            request.stall.weight.eq(between & ready & ~here),
            request.stall.output.eq(between & ready & here & ~may_end),
        ]
        if self._config.lanes == 2:
            m.d.comb += request.head.eq(between & first)
        with m.If(begin):
            m.d.sync += left.eq(size - 1)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(begin | (left != 0)):
            self._issue(m, first, results, Mux(begin, size == 1, left == 1) & results)
        return m

    def _issue(self, m: Module, first: Value, results: Value, close: Value) -> None:
        """A wave; ``close``: the last one of a group, with results."""
        sight, request, wave = self.i, self.o, self.o.wave
        record = Signal(16)  # of the channel tile's first channel, minus the instruction's
        last = sight.step == sight.channels - 1
        segment = sight.last_chunk & last
        ends = segment & (sight.last_channels | ~sight.winograd)
        words = Mux(close, sight.pixels, 0)
        if self._config.lanes == 1:
            m.d.comb += [request.swap.eq(first), wave.swap.eq(first)]
        m.d.comb += [
            request.issued.eq(1),
            request.advance.eq(1),
            request.restart.eq(last),
            request.sums.eq(1),
            request.done.eq(last),
            request.reserve.eq(words),
            request.busy.eq(words),
            *replayed(sight, request.weight_pop, ends),
            wave.left.weight.eq(1),
            wave.wide.eq(sight.winograd),
            wave.tag.valid.eq(1),
            wave.tag.first.eq(sight.first_chunk),
            wave.tag.last.eq(results),
            wave.tag.by_channel.eq(1),
            wave.tag.exact.eq(sight.winograd),
            wave.tag.swap.eq(~sight.winograd),
            wave.tag.close.eq(close),
            wave.tag.address.eq(sight.step),
            wave.tag.pixels.eq(sight.pixels - 1),
            wave.tag.record.eq(sight.parameters + record + sight.step),
        ]
        with m.If(segment & sight.last_pixels):
            m.d.sync += record.eq(Mux(sight.last_channels, 0, record + sight.channels))
