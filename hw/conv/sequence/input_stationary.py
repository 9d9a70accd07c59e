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

    Waves come in atomic groups of at most C, behind an all-zero wave a chunk (2 lanes).  Whether a
    group may begin is looked at for `THERE_LATENCY` cycles, in which no wave but that one is
    issued.  A group's closing wave keeps P cycles from the previous result, since P words leave the
    corner turn after it.  Winograd: results are left to the drain.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        sight, request = self.i, self.o
        m.submodules.group = group = Steps(bits=self._config.columns.bit_length())
        results = sight.last_chunk & ~sight.winograd
        loaded = sight.headed if self._config.lanes == 2 else sight.loaded
        ready = ~sight.first | (loaded & sight.open)
        last = Mux(sight.first, sight.single_channel, sight.ends)
        issue, ends = Signal(), Signal()
        here, may_end = self._group(m, results)
        looks = self.i_active & ~issue
        missing, full = Signal(), Signal()
        may_begin = Signal()
        m.d.sync += [
            may_begin.eq(looks & here & may_end),
            missing.eq(looks & ~here),
            full.eq(looks & here & ~may_end),
        ]
        between = self.i_active & group.o_first
        m.d.comb += [
            issue.eq(self.i_active & (~group.o_first | (ready & may_begin))),
            ends.eq(group.o_last | last),
            group.i_count.eq(self._config.columns),
            group.i_single.eq(self._config.columns == 1),
            group.i_advance.eq(issue),
            group.i_start.eq(issue & ends),
            request.stall.activation.eq(between & ~ready),
            request.stall.weight.eq(between & ready & missing),
            request.stall.output.eq(between & ready & full),
        ]
        if self._config.lanes == 2:
            m.d.comb += request.head.eq(between & sight.first)
        with m.If(issue):
            self._issue(m, results, last, ends & results)
        return m

    def _group(self, m: Module, results: Value) -> tuple[Value, Value]:
        """Whether the weights of the next group are there, and whether its results have room and
        keep their distance.

        It has C channels, or as many as are left: both are asked for, and of the latter, what is
        left of the tile and the whole of it, so that no sum or choice precedes a comparison.
        """
        columns, sight = self._config.columns, self.i
        # A channel has an accumulator: of the tile's channels, the one at hand and those behind it.
        channels = sight.channels[: bits_for(self._config.accumulator_depth)]
        left = Signal.like(channels)  # but for the first
        pixels = sight.pixels[: bits_for(columns)]  # a column each

        def either(reached: Callable[[Any], Any]) -> tuple[Any, Any]:
            return Mux(sight.first, reached(channels), reached(left)), reached(columns)

        rest, whole = either(lambda size: sight.weights >= size)
        rest_in_time, whole_in_time = either(lambda size: sight.spacing <= size)
        with m.If(self.o.advance):
            m.d.sync += left.eq(Mux(sight.first, channels - 1, left - 1))
        in_time = rest_in_time & whole_in_time
        return rest | whole, ~results | ((sight.room >= pixels) & in_time)

    def _issue(self, m: Module, results: Value, last: Value, close: Value) -> None:
        """A wave; ``close``: the last one of a group, with results."""
        sight, request, wave = self.i, self.o, self.o.wave
        # Of the channel tile's first channel and of this wave's, minus the instruction's.
        first_record, record = Signal(16), Signal(16)
        next_record = Signal(16)  # of the next tile
        first = sight.first
        segment = sight.last_chunk & last
        ends = segment & (sight.last_channels | ~sight.winograd)
        if self._config.lanes == 1:
            m.d.comb += [request.swap.eq(first), wave.swap.eq(first)]
        m.d.comb += [
            request.issued.eq(1),
            request.advance.eq(1),
            request.restart.eq(last),
            request.sums.eq(1),
            request.done.eq(last),
            request.reserve.eq(close),
            request.busy.eq(Mux(close, sight.pixels, 0)),
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
            wave.tag.record.eq(sight.parameters + record),
        ]
        following = Mux(sight.last_channels, 0, first_record + sight.channels)
        m.d.comb += next_record.eq(
            Mux(sight.last_chunk & sight.last_pixels, following, first_record)
        )
        m.d.sync += record.eq(Mux(last, next_record, record + 1))
        with m.If(last):
            m.d.sync += first_record.eq(next_record)
