"""Addresses of a tensor's pixels and channel blocks in the order of the pooling engine's walk."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa import POOL
from hw.isa.config import OverlayConfig
from hw.pool.pool_layouts import tensor_address


class BlockWalk(wiring.Component):
    """Walks a line of pixels once for each block of channels, then the next line; by additions.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_start : In. Goes to the first pixel.
    i_address, i_pitch : In. Of pixel 0, and between two; held until the last pixel.
    i_stays : In. The blocks of channels have one address; held likewise.
    i_window : In. The present pixel and block are done.
    i_line : In. With ``i_window``: so are the line's pixels in this block.
    i_block_last : In. The block is the last one.
    o_address : Out. Of the present pixel and block.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._channels = config.pool_channels
        self._address = tensor_address(config)
        super().__init__(
            {
                "i_start": In(1),
                "i_address": In(POOL["out_address"].shape),
                "i_pitch": In(POOL["out_pitch"].shape),
                "i_stays": In(1),
                "i_window": In(1),
                "i_line": In(1),
                "i_block_last": In(1),
                "o_address": Out(self._address),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line, pixel, following = Signal(self._address), Signal(self._address), Signal(self._address)
        offset = Signal(16)  # of the channel block
        m.d.comb += [following.eq(pixel + self.i_pitch), self.o_address.eq(pixel + offset)]
        with m.If(self.i_window):
            m.d.sync += pixel.eq(following)
        with m.If(self.i_line):
            step = Mux(self.i_stays, 0, self._channels)
            m.d.sync += [pixel.eq(line), offset.eq(offset + step)]
            with m.If(self.i_block_last):
                m.d.sync += [pixel.eq(following), line.eq(following), offset.eq(0)]
        with m.If(self.i_start):
            m.d.sync += [pixel.eq(self.i_address), line.eq(self.i_address), offset.eq(0)]
        return m
