"""Where a Winograd wave's sums go: two banks of accumulators, filled in turn."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import OverlayConfig
from hw.lib.algorithm import of_transform


class TileAccumulators(wiring.Component):
    """Counts waves and elements of a tile; a finished tile leaves its bank to the `Drain`.

    Parameters
    ----------
    config : the overlay's, with Winograd.

    Members
    -------
    i_wave : a wave with sums is issued; the other inputs are of it.
    i_done : it ends an element's chunk. i_last_chunk, i_last_channels : of the tile.
    i_channels : of the channel tile. i_transform : index of the instruction's.
    o_first : the wave's sums are its accumulator's first. o_bank, o_address : of its accumulators.
    o_record : of the channel tile's first channel, minus the instruction's.
    o_finished : the wave ends the tile.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        strobes = ("wave", "done", "last_chunk", "last_channels")
        super().__init__(
            {
                **{f"i_{name}": In(1) for name in strobes},
                "i_channels": In(unsigned(16)),
                "i_transform": In(config.transform_bits),
                "o_first": Out(1, init=1),
                "o_bank": Out(1),
                "o_address": Out(config.address_bits),
                "o_record": Out(unsigned(16)),
                "o_finished": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        element = Signal(6)
        last = of_transform(self._config, self.i_transform, lambda t: t.elements - 1)
        m.d.comb += self.o_finished.eq(self.i_wave & self.i_done & self.i_last_chunk)
        with m.If(self.i_wave):
            m.d.sync += self.o_address.eq(self.o_address + 1)
        with m.If(self.i_wave & self.i_done):
            m.d.sync += element.eq(element + 1)
            with m.If(element == last):
                m.d.sync += [element.eq(0), self.o_first.eq(0), self.o_address.eq(0)]
        with m.If(self.o_finished):
            following = self.o_record + self.i_channels
            m.d.sync += [
                self.o_bank.eq(~self.o_bank),
                self.o_first.eq(1),
                self.o_record.eq(Mux(self.i_last_channels, 0, following)),
            ]
        return m
