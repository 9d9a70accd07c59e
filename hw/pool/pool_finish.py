"""From a window's maximum or sum to its int8 result."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import PARAMETER, POOL
from hw.isa.config import OverlayConfig
from hw.isa.timing import FINISH_LATENCY, PARAMETER_LATENCY, TABLE_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.requantise import DSP_FACTOR, RequantiseLanes
from hw.lib.table_lanes import TableLanes, table_write
from hw.pool.pool_layouts import combined, partial_result

_ACCUMULATOR_BITS = DSP_FACTOR  # window and bias need 25


class PoolFinish(wiring.Component):
    """Looks maxima up in a table, adds the bias and requantises, with the window's own record.

    The record is the one that belongs to the window's count; entries and products come while it
    is read.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_instruction : In, held while windows are under way.
    i_valid, i_window : In. A window, one a cycle.
    o_record_address : Out, modulo 2^16, the cycle after the window.
    i_record : In, ``PARAMETER_LATENCY`` cycles after the address.
    i_table : In, writes of the tables.
    i_products : In. Of a window that is a product, with its record.
    i_codes, o_gains : In, Out. A normalisation has its gains in the table: of taps on their way to
        the reducers, ``TABLE_LATENCY`` later.
    o_valid, o_result : Out. Bytes, ``FINISH_LATENCY`` after the window.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        self._lanes = lanes = config.pool_channels
        super().__init__(
            {
                "i_instruction": In(POOL),
                "i_valid": In(1),
                "i_window": In(partial_result(lanes)),
                "o_record_address": Out(16),
                "i_record": In(PARAMETER),
                "i_table": In(table_write(config)),
                "i_products": In(data.ArrayLayout(combined(config), lanes)),
                "i_codes": In(8 * lanes),
                "o_gains": Out(8 * lanes),
                "o_valid": Out(1),
                "o_result": Out(8 * lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool, record = self.i_instruction, self.i_record
        m.submodules.requantise = requantise = RequantiseLanes(
            accumulator_bits=_ACCUMULATOR_BITS, lanes=self._lanes
        )
        m.d.sync += self.o_record_address.eq(
            pool.parameters + Mux(pool.average, self.i_window.count, 0)
        )
        window = delayed(m, self.i_window.lanes, 1 + PARAMETER_LATENCY, name="window")
        values = self._multiplied(self._looked_up(m, window))
        biased = Signal(data.ArrayLayout(signed(_ACCUMULATOR_BITS), self._lanes), reset_less=True)
        for lane in range(self._lanes):
            m.d.sync += biased[lane].eq(values[lane] + record.bias)
        m.d.comb += [
            requantise.i_accumulators.eq(biased),
            requantise.i_mantissa.eq(delayed(m, record.mantissa, 1, name="mantissa")),
            requantise.i_shift.eq(delayed(m, record.shift, 1, name="shift")),
            requantise.i_zero_point.eq(delayed(m, record.zero_point, 1, name="zero_point")),
            requantise.i_low.eq(delayed(m, record.low, 1, name="low")),
            requantise.i_high.eq(delayed(m, record.high, 1, name="high")),
            self.o_result.eq(requantise.o_results),
            self.o_valid.eq(
                delayed(m, self.i_valid, FINISH_LATENCY, name="valid", reset_less=False)
            ),
        ]
        return m

    def _looked_up(self, m: Module, window: Any) -> Any:
        """Each maximum's entry, or the window as it is."""
        if not self._config.tables:
            return window
        pool = self.i_instruction
        m.submodules.table = table = TableLanes(config=self._config, lanes=self._lanes)
        word, passes = Cat(value[:8] for value in self.i_window.lanes), pool.table == 0
        if self._config.normalisation:
            word, passes = Mux(pool.normalise, self.i_codes, word), passes | pool.normalise
        m.d.comb += [
            table.i_write.eq(self.i_table),
            table.i_table.eq(pool.table),
            table.i_word.eq(word),
            self.o_gains.eq(table.o_word),
        ]
        entries = delayed(m, table.o_word, 1 + PARAMETER_LATENCY - TABLE_LATENCY, name="entries")
        return [
            Mux(passes, window[lane], entries.word_select(lane, 8).as_signed())
            for lane in range(self._lanes)
        ]

    def _multiplied(self, values: Any) -> Any:
        """The products, where there are any."""
        if not self._config.products:
            return values
        pairs = zip(self.i_products, values, strict=True)
        return [Mux(self.i_instruction.product, product, value) for product, value in pairs]
