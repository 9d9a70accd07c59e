"""Input stationary: a weight word a wave, in groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.utils import bits_for

from hw.conv.sequence.issuer import WaveIssuer, replayed
from hw.lib.counted_steps import Steps


class InputStationary(WaveIssuer):
    """Issues a wave for each channel of a tile, over the activations in the shadow.

    Waves come in atomic groups of at most C, behind an all-zero wave a chunk (2 lanes).  A group's
    closing wave keeps P cycles from the previous result, since P words leave the corner turn after
    it.  Winograd: results are left to the drain.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        sight, request = self.i, self.o
        m.submodules.group = group = Steps(bits=self._config.columns.bit_length())
        results = sight.last_chunk & ~sight.winograd
        free = sight.free | ~(sight.first_chunk & sight.winograd)
        loaded = sight.headed if self._config.lanes == 2 else sight.loaded
        ready = ~sight.first | (loaded & sight.settled & free)
        here, in_time = self._group(m)
        pixels = sight.pixels[: bits_for(self._config.columns)]  # a column each
        may_end = ~results | ((sight.room >= pixels) & in_time)
        between = self.i_active & group.o_first
        issue, ends = Signal(), Signal()
        m.d.comb += [
            issue.eq(self.i_active & (~group.o_first | (ready & here & may_end))),
            ends.eq(group.o_last | sight.last),
            group.i_count.eq(self._config.columns),
            group.i_single.eq(self._config.columns == 1),
            group.i_advance.eq(issue),
            group.i_start.eq(issue & ends),
            request.stall.activation.eq(between & ~ready),
            request.stall.weight.eq(between & ready & ~here),
            request.stall.output.eq(between & ready & here & ~may_end),
        ]
        if self._config.lanes == 2:
            m.d.comb += request.head.eq(between & sight.first)
        with m.If(issue):
            self._issue(m, results, ends & results)
        return m

    def _group(self, m: Module) -> tuple[Value, Value]:
        """Whether the weights of the next group are there, and whether it keeps its distance.

        It has C channels, or as many as are left: both are asked for, and of the latter, what is
        left of the tile and the whole of it, so that no sum or choice precedes a comparison.
        """
        columns, sight = self._config.columns, self.i
        # A channel has an accumulator: of the tile's channels, the one at hand and those behind it.
        channels = sight.channels[: bits_for(self._config.accumulator_depth)]
        left = Signal.like(channels)  # but for the first

        def least(reached: Callable[[Any], Any]) -> Any:
            return Mux(sight.first, reached(channels), reached(left)), reached(columns)

        here, whole_here = least(lambda size: sight.weights >= size)
        in_time, whole_in_time = least(lambda size: sight.spacing <= size)
        with m.If(self.o.advance):
            m.d.sync += left.eq(Mux(sight.first, channels - 1, left - 1))
        return here | whole_here, in_time & whole_in_time

    def _issue(self, m: Module, results: Value, close: Value) -> None:
        """A wave; ``close``: the last one of a group, with results."""
        sight, request, wave = self.i, self.o, self.o.wave
        record = Signal(16)  # of the channel tile's first channel, minus the instruction's
        first, last = sight.first, sight.last
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
