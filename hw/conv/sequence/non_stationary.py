"""Non-stationary: activations and weights stream, sums stay in the PEs and drain."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.utils import bits_for

from hw.conv.sequence.issuer import WaveIssuer, replayed
from hw.isa.config import OverlayConfig


class NonStationary(WaveIssuer):
    """Issues atomic chunks of R waves, then the R waves that drain a tile's sums.

    Both begin `THERE_LATENCY` cycles after what they need is there.
    The shadow chains are the issuer's own while a tile is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        super().__init__(config=config)
        self._silent = Signal(range(config.rows + 1))  # rows beyond the pixels

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows, sight, request = self._config.rows, self.i, self.o
        draining, owned = Signal(), Signal()
        first, last = sight.first, ~sight.first & sight.ends
        activations, weights, room = self._there(m)
        takes_parameters = first & sight.first_pixels
        pixels = sight.pixels[: bits_for(rows)]  # a row each
        may_drain = room & (sight.parameters_ready | ~sight.first_pixels)
        m.d.sync += self._silent.eq(rows - pixels)
        chunk, drain, fills = Signal(), Signal(), self.i_active & ~draining
        m.d.comb += [
            chunk.eq(fills & (~first | (activations & weights))),
            drain.eq(self.i_active & draining & (~first | may_drain)),
            request.issued.eq(chunk | drain),
            request.advance.eq(chunk | drain),
            request.restart.eq((chunk | drain) & last),
            request.stall.activation.eq(fills & first & ~activations),
            request.stall.weight.eq(fills & first & activations & ~weights),
            request.stall.output.eq(self.i_active & draining & first & ~may_drain),
        ]
        with m.If(chunk):
            self._chunk(m, first, last)
            m.d.sync += [owned.eq(1), draining.eq(last & sight.last_chunk)]
        with m.If(drain):
            self._drain(m, last, takes_parameters)
            m.d.sync += [draining.eq(~last), owned.eq(~last)]
        self._chains(m, chunk, owned, drain & last)
        return m

    def _there(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Whether the words of a chunk, activations and weights, and room for a tile's results were
        there a cycle ago, without what was taken then.  A segment that is read again is there."""
        rows, sight, request = self._config.rows, self.i, self.o
        activations, weights, room = (Signal(name=n) for n in ("activations", "weights", "room"))
        pixels = sight.pixels[: bits_for(rows)]
        m.d.sync += [
            activations.eq(
                Mux(request.activation_pop, sight.activations > rows, sight.activations >= rows)
            ),
            weights.eq(
                Mux(request.weight_pop.pop, sight.weights > rows, sight.weights >= rows)
                | request.weight_pop.rewind
            ),
            room.eq(sight.room >= pixels),
        ]
        return activations, weights, room

    def _chains(self, m: Module, chunk: Value, owned: Value, drained: Value) -> None:
        """The shadow chains, from a tile's first chunk to the cycle behind its drain."""
        wave, begins = self.o.wave, chunk & ~owned
        mine = self.i_active & (owned | chunk)
        dropped = Signal()
        m.d.sync += dropped.eq(drained)
        m.d.comb += [
            wave.streaming.eq(mine),
            wave.enable.eq(mine),
            wave.swap.eq(mine),
            wave.start.eq(begins),
            wave.clear.eq(begins),
            wave.drop.eq(dropped),
        ]

    def _chunk(self, m: Module, first: Value, last: Value) -> None:
        sight, request = self.i, self.o
        m.d.comb += [
            request.activation_pop.eq(1),
            request.done.eq(last & ~sight.last_chunk),
            *replayed(sight, request.weight_pop, sight.last_chunk & last),
            request.wave.serial.eq(1),
            request.wave.serial_first.eq(first),
            request.wave.top.eq(1),
        ]

    def _drain(self, m: Module, last: Value, takes_parameters: Value) -> None:
        """Row R - 1, the last pixel, leaves first; rows beyond the pixels deliver nothing."""
        config, sight, request = self._config, self.i, self.o
        delivers = sight.step >= self._silent
        m.d.comb += [
            request.done.eq(last),
            request.reserve.eq(delivers),
            request.busy.eq(Mux(delivers, config.columns, 0)),
            request.wave.tag.valid.eq(delivers),
            request.wave.tag.first.eq(1),
            request.wave.tag.last.eq(1),
            request.wave.tag.swap.eq(takes_parameters),
        ]
