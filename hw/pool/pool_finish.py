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
from hw.lib.requantise import DSP_FACTOR, Requantise, RequantiseLanes
from hw.lib.table_lanes import TableLanes, table_write
from hw.pool.pool_layouts import combined, partial_result

_ACCUMULATOR_BITS = DSP_FACTOR  # window and bias need 25
_SCALED = ("mantissa", "shift", "zero_point", "low", "high")


class PoolFinish(wiring.Component):
    """Looks maxima up in a table, adds the bias and requantises, with the window's own record.

    The record is the one that belongs to the window's count; entries and products come while it
    is read.  In a depthwise convolution each lane has a record of its own, and the result is looked
    up.

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
    i_records : In, if there are depthwise convolutions. Of the lanes, as ``i_record``.
    o_valid, o_result : Out. Bytes, ``FINISH_LATENCY`` after the window, of a depthwise convolution
        ``TABLE_LATENCY`` later.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        self._lanes = lanes = config.pool_channels
        self._accumulator_bits = _ACCUMULATOR_BITS
        own: dict[str, Any] = {}
        if config.depthwise:
            self._accumulator_bits = max(_ACCUMULATOR_BITS, config.accumulator_bits)
            own["i_records"] = In(data.ArrayLayout(PARAMETER, lanes))
        super().__init__(
            {
                **own,
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
        pool = self.i_instruction
        m.d.sync += self.o_record_address.eq(
            pool.parameters + Mux(pool.average, self.i_window.count, 0)
        )
        window = delayed(m, self.i_window.lanes, 1 + PARAMETER_LATENCY, name="window")
        valid = delayed(m, self.i_valid, FINISH_LATENCY, name="valid", reset_less=False)
        requantised = Signal(8 * self._lanes)
        entries = self._entries(m, requantised)
        values = self._multiplied(self._looked_up(m, window, entries))
        if self._config.depthwise:
            self._requantise_each(m, values, requantised)
            later = delayed(m, valid, TABLE_LATENCY, name="later", reset_less=False)
            m.d.comb += [
                self.o_valid.eq(Mux(pool.depthwise, later, valid)),
                self.o_result.eq(Mux(pool.depthwise, entries, requantised)),
            ]
        else:
            self._requantise(m, values, requantised)
            m.d.comb += [self.o_valid.eq(valid), self.o_result.eq(requantised)]
        return m

    def _requantise(self, m: Module, values: Any, results: Any) -> None:
        """All lanes with the window's record."""
        record = self.i_record
        m.submodules.requantise = requantise = RequantiseLanes(
            accumulator_bits=self._accumulator_bits, lanes=self._lanes
        )
        m.d.comb += results.eq(requantise.o_results)
        for lane, value in enumerate(values):
            m.d.comb += requantise.i_accumulators[lane].eq(self._biased(m, lane, value, record))
        for name in _SCALED:
            parameter = delayed(m, record[name], 1, name=name)
            m.d.comb += getattr(requantise, f"i_{name}").eq(parameter)

    def _requantise_each(self, m: Module, values: Any, results: Any) -> None:
        """Each lane with the window's record or its own."""
        for lane, value in enumerate(values):
            requantise = Requantise(accumulator_bits=self._accumulator_bits)
            m.submodules[f"requantise_{lane}"] = requantise
            record = PARAMETER(
                Mux(
                    self.i_instruction.depthwise,
                    self.i_records[lane].as_value(),
                    self.i_record.as_value(),
                )
            )
            m.d.comb += [
                requantise.i_accumulator.eq(self._biased(m, lane, value, record)),
                results.word_select(lane, 8).eq(requantise.o_result),
            ]
            for name in _SCALED:
                parameter = delayed(m, record[name], 1, name=f"{name}_{lane}")
                m.d.comb += getattr(requantise, f"i_{name}").eq(parameter)

    def _biased(self, m: Module, lane: int, value: Any, record: Any) -> Signal:
        biased = Signal(signed(self._accumulator_bits), name=f"biased_{lane}", reset_less=True)
        m.d.sync += biased.eq(value + record.bias)
        return biased

    def _entries(self, m: Module, results: Any) -> Any:
        """What the table has for maxima, for the codes of gains, or for a convolution's results."""
        config, pool = self._config, self.i_instruction
        if not (config.tables or config.depthwise):
            return results
        m.submodules.table = table = TableLanes(config=config, lanes=self._lanes)
        word: Any = Cat(value[:8] for value in self.i_window.lanes)
        if config.normalisation:
            word = Mux(pool.normalise, self.i_codes, word)
        if config.depthwise:
            word = Mux(pool.depthwise, results, word)
        m.d.comb += [
            table.i_write.eq(self.i_table),
            table.i_table.eq(pool.table),
            table.i_word.eq(word),
            self.o_gains.eq(table.o_word),
        ]
        return table.o_word

    def _looked_up(self, m: Module, window: Any, entries: Any) -> Any:
        """Each maximum's entry, or the window as it is."""
        if not self._config.tables:
            return window
        pool = self.i_instruction
        passes = pool.table == 0
        if self._config.normalisation:
            passes |= pool.normalise
        if self._config.depthwise:
            passes |= pool.depthwise
        found = delayed(m, entries, 1 + PARAMETER_LATENCY - TABLE_LATENCY, name="entries")
        return [
            Mux(passes, window[lane], found.word_select(lane, 8).as_signed())
            for lane in range(self._lanes)
        ]

    def _multiplied(self, values: Any) -> Any:
        """The products, where there are any."""
        if not self._config.products:
            return values
        pairs = zip(self.i_products, values, strict=True)
        return [Mux(self.i_instruction.product, product, value) for product, value in pairs]
