"""From the bytes of neighbouring channels to the codes of their gains."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa import POOL
from hw.isa.config import OverlayConfig
from hw.isa.squares import DROPPED_BITS, KEPT_BITS, REACH, SQUARE_BITS, SUM_BITS

_MAGNITUDE = unsigned(8)  # of an int8 relative to a zero point
_NIBBLE_SQUARES = Array(C(n * n, 8) for n in range(16))


class GainCodes(wiring.Component):
    """Sums the squares of each channel and of those beside it, and encodes the sum.

    Squares need no multiplier: ``(16 h + l)^2`` is two squares of four bits and ``32 h l``.  See
    ``hw.isa.squares`` for codes.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_instruction : In, ``hw.isa.POOL``, held from some cycles before the first word on.
    i_data : In. The bytes of a pixel's channels, from the second one before the first on.
    o_codes : Out. A byte for each channel, ``CODE_LATENCY`` later.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._channels = config.normalised_channels
        super().__init__(
            {
                "i_instruction": In(POOL),
                "i_data": In(8 * config.tensor_word),
                "o_codes": Out(8 * config.pool_channels),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = self.i_instruction
        count = self._channels + 2 * REACH
        squares = [self._square(m, k, known) for k, known in enumerate(self._known(m, count))]
        for channel in range(self._channels):
            near = squares[channel : channel + 2 * REACH + 1]
            own, inner, outer = (
                Signal(SUM_BITS, name=f"{name}_{channel}", reset_less=True)
                for name in ("own", "inner", "outer")
            )
            total = Signal(SUM_BITS, name=f"total_{channel}", reset_less=True)
            m.d.sync += [
                own.eq(near[2]),
                inner.eq(Mux(pool.reach != 0, near[1] + near[3], 0)),
                outer.eq(Mux(pool.reach[1], near[0] + near[4], 0)),
                total.eq(own + inner + outer),
            ]
            self._encode(m, total, self.o_codes.word_select(channel, 8))
        return m

    def _known(self, m: Module, count: int) -> list[Any]:
        """Which bytes are channels of the tensor."""
        pool = self.i_instruction
        behind = Signal(range(count + REACH + 1), reset_less=True)
        known = Signal(count, reset_less=True)
        m.d.sync += behind.eq(pool.channels + (pool.channels_after + REACH))
        for k in range(count):
            m.d.sync += known[k].eq((pool.channels_before + k >= REACH) & (k < behind))
        return list(known)

    def _square(self, m: Module, number: int, known: Any) -> Any:
        """The square of a byte relative to the zero point."""
        byte = self.i_data.word_select(number, 8).as_signed()
        zero_point = self.i_instruction.zero_point
        above, below = byte - zero_point, zero_point - byte
        magnitude = Signal(_MAGNITUDE, name=f"magnitude_{number}", reset_less=True)
        ends = Signal(SQUARE_BITS, name=f"ends_{number}", reset_less=True)
        crossed = [Signal(6, name=f"crossed{k}_{number}", reset_less=True) for k in range(2)]
        square = Signal(SQUARE_BITS, name=f"square_{number}", reset_less=True)
        low, high = magnitude[:4], magnitude[4:]
        m.d.sync += [
            magnitude.eq(Mux(known, Mux(above[-1], below, above), 0)),
            ends.eq(Cat(_NIBBLE_SQUARES[low], _NIBBLE_SQUARES[high])),
            square.eq(ends + (crossed[0] << 5) + (crossed[1] << 7)),
        ]
        for part, bits in zip(crossed, (high[:2], high[2:]), strict=True):
            m.d.sync += part.eq(Mux(bits[0], low, 0) + (Mux(bits[1], low, 0) << 1))
        return square

    def _encode(self, m: Module, total: Any, code: Any) -> None:
        rest = total[DROPPED_BITS:]
        m.d.comb += code.eq(rest[:KEPT_BITS])
        for shift in range(len(rest) - KEPT_BITS):
            with m.If(rest[KEPT_BITS + shift]):
                kept = rest[shift : shift + KEPT_BITS]
                m.d.comb += code.eq(Cat(kept, C(shift + 1, 8 - KEPT_BITS)))
