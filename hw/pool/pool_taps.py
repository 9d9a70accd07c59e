"""Reading of taps, and which of them lie in the image."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import POOL
from hw.isa.config import DEPTHWISE_BLOCKS, DEPTHWISE_ROWS, OverlayConfig
from hw.isa.timing import PARAMETER_LATENCY, READ_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.tensor_memory import read_request
from hw.lib.window import walk_place
from hw.pool.pool_layouts import RING, TAP, window_end


class TapReader(wiring.Component):
    """Requests the taps' bytes and classifies each tap in time with them.

    The windows' last taps are requested at least ``i_spacing`` + 1 cycles apart: what comes behind
    cannot be stalled.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i : In, stream of places.
    i_instruction, i_spacing : In, held while taps are under way.
    o_read : Out, stream to the tensor memory.
    o_valid, o_tap : Out, ``hw.pool.pool_layouts.TAP``, in the cycle of the bytes.
    o_row, o_block : Out, of a depthwise convolution. Where the tap's weights are, which come with
        the bytes, and its channels' records.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        place = {"o_row": Out(range(DEPTHWISE_ROWS)), "o_block": Out(range(DEPTHWISE_BLOCKS))}
        super().__init__(
            {
                "i": In(stream.Signature(walk_place(window_end(config)))),
                "i_instruction": In(POOL),
                "i_spacing": In(range(RING)),
                "o_read": Out(stream.Signature(read_request())),
                "o_valid": Out(1),
                "o_tap": Out(TAP),
                **(place if config.depthwise else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = self.i_instruction
        wait = Signal(range(RING))  # cycles up to a last tap
        waits = Signal()  # there are some
        extra = self.i.payload.extra
        hold = extra.window_last & waits
        accepted = self.o_read.valid & self.o_read.ready
        address = self.i.payload.address
        if self._config.products:
            address = Mux(extra.operand, extra.operand_address, address)
        m.d.comb += [
            self.o_read.valid.eq(self.i.valid & ~hold),
            self.o_read.payload.address.eq(address),
            self.i.ready.eq(accepted),
        ]
        with m.If(waits):
            m.d.sync += [wait.eq(wait - 1), waits.eq(wait != 1)]
        with m.If(accepted & extra.window_last):
            m.d.sync += [wait.eq(self.i_spacing), waits.eq(self.i_spacing != 0)]

        place = delayed(m, self.i.payload, 1, name="place")
        inside = self._inside(place, 0)
        upper_inside = self._inside(place, self._config.pool_channels // 2)
        counted = (place.row < pool.counted_height) & (place.position < pool.counted_bytes)
        tap = Signal(TAP, reset_less=True)
        m.d.sync += [
            tap.inside.eq(inside),
            tap.upper_inside.eq(Mux(pool.halves, upper_inside, inside)),
            tap.counted.eq(Mux(pool.include_padding, counted, inside)),
            tap.group_last.eq(place.extra.group_last),
            tap.window_last.eq(place.extra.window_last),
        ]
        if self._config.products:
            m.d.sync += tap.operand.eq(place.extra.operand)
        if self._config.depthwise:
            ahead = READ_LATENCY - PARAMETER_LATENCY
            m.d.comb += [
                self.o_row.eq(delayed(m, extra.row, ahead, name="row")),
                self.o_block.eq(delayed(m, extra.block, READ_LATENCY, name="block")),
            ]
        m.d.comb += [
            self.o_tap.eq(delayed(m, tap, READ_LATENCY - 2, name="tap")),
            self.o_valid.eq(delayed(m, accepted, READ_LATENCY, name="valid", reset_less=False)),
        ]
        return m

    def _inside(self, place: Any, ahead: int) -> Any:
        """Whether the bytes so far ahead of a place are the image's."""
        position = place.position + ahead
        row = self.i_instruction.row_pitch
        return place.row_valid & (position >= 0) & (position < row)
