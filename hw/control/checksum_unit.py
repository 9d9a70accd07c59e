"""The overlay's check of a program's checksum while it is fetched."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import check_data_bytes
from hw.isa.checksum import CHECKSUM_BITS, SEALED, step
from hw.lib.pipelining import delayed


class ProgramChecksum(wiring.Component):
    """CRC-32 of all beats so far, a beat a cycle.

    A beat, which comes out of a block RAM, and its own share are registers, so that no path is
    deeper than the sum of half its bits (four levels of logic for 128 bytes).

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    i_valid, i_data : beats.
    o_right : ``CHECK_LATENCY`` cycles after its last beat: the program is sealed.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self._bytes = data_bytes
        super().__init__({"i_valid": In(1), "i_data": In(8 * data_bytes), "o_right": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        of_state, of_data = step(self._bytes)
        state = Signal(CHECKSUM_BITS, init=-1)
        share, shared = Signal(CHECKSUM_BITS), Signal()
        beat = delayed(m, self.i_data, 1, name="beat")
        there = delayed(m, self.i_valid, 1, name="there", reset_less=False)
        m.d.sync += [
            share.eq(Cat((beat & mask).xor() for mask in of_data)),
            shared.eq(there),
            self.o_right.eq(~state == SEALED),
        ]
        with m.If(shared):
            m.d.sync += state.eq(Cat((state & mask).xor() for mask in of_state) ^ share)
        return m
