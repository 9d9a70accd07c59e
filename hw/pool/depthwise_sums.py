"""Products of taps with weights of their own, and their sums by column of the kernel."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.config import DEPTHWISE_BLOCKS, OverlayConfig
from hw.isa.timing import PRODUCT_LATENCY
from hw.lib.pipelining import delayed
from hw.pool.lane_memory import lane_weights
from hw.pool.pool_layouts import SUM, TAP, group_result

_INPUTS = 1  # cycles of a multiplier's input registers


class DepthwiseSums(wiring.Component):
    """Multiplies each tap with as many weights as there are multipliers a lane, and adds up.

    One tap a cycle; each multiplier and its sum are a DSP slice. A group's taps are those of a
    column of the image, its sums those of the windows that share it; or they are all of a window,
    whose sum is the first one.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_zero_point : In. What padding reads; held while taps are under way.
    i_valid, i_tap, i_data : In. A tap and its values.
    i_weights, i_block : In. Weights and block of channels, with the tap.
    o_valid, o_window_last, o_group : Out. ``PRODUCT_LATENCY`` after the group's last tap; the group
        counts its block.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._lanes = config.pool_channels
        self._columns = config.depthwise
        super().__init__(
            {
                "i_zero_point": In(signed(8)),
                "i_valid": In(1),
                "i_tap": In(TAP),
                "i_data": In(8 * config.pool_channels),
                "i_weights": In(lane_weights(config)),
                "i_block": In(range(DEPTHWISE_BLOCKS)),
                "o_valid": Out(1),
                "o_window_last": Out(1),
                "o_group": Out(group_result(config.pool_channels, config.depthwise)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid = delayed(m, self.i_valid, PRODUCT_LATENCY - 1, name="valid", reset_less=False)
        ends = delayed(m, self.i_tap.group_last, PRODUCT_LATENCY - 1, name="ends")
        starts = Signal(init=1)
        with m.If(valid):
            m.d.sync += starts.eq(ends)
        for lane in range(self._lanes):
            byte = self.i_data.word_select(lane, 8).as_signed()
            value = Signal(signed(8), name=f"value_{lane}", reset_less=True)
            m.d.sync += value.eq(Mux(self.i_tap.inside, byte, self.i_zero_point))
            for column in range(self._columns):
                weight = delayed(
                    m, self.i_weights[lane][column], _INPUTS, name=f"weight_{lane}_{column}"
                )
                product = delayed(m, value * weight, 1, name=f"product_{lane}_{column}")
                total = Signal(SUM, name=f"sum_{lane}_{column}", reset_less=True)
                with m.If(valid):
                    m.d.sync += total.eq(Mux(starts, 0, total) + product)
                m.d.comb += self.o_group.lanes[lane][column].eq(total)
        last = delayed(m, self.i_tap.window_last, PRODUCT_LATENCY, name="window_last")
        m.d.comb += [
            self.o_window_last.eq(last),
            self.o_group.count.eq(delayed(m, self.i_block, PRODUCT_LATENCY, name="block")),
        ]
        m.d.sync += self.o_valid.eq(valid & ends)
        return m
