"""Requantisation: an integer times a positive factor, rounded half to even and clipped.

The contract is ``clip(round_half_even(value * mantissa / 2**shift) + zero_point, low, high)``,
exact for every value and every shift; ``low`` must not exceed ``high``.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import CLIP_DELAY, PRODUCT_LATENCY, SUM_LATENCY, ZERO_POINT_DELAY
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes

MANTISSA = unsigned(17)
SHIFT = unsigned(6)
INT8 = signed(8)

DSP_FACTOR = 27  # bits of a DSP slice's wider factor

_MORE = (
    2  # bits of the quotient beside the result's: one more, and a guard bit; with more, all clips
)
_COARSE = 16
_PARTS = 3  # of what a stage does not keep; both have multiples of three units


def _rounded(result: Any = INT8) -> dict[str, Any]:
    """The parameters of a rounding to results of that shape."""
    return {
        "i_shift": In(SHIFT),
        "i_zero_point": In(result),
        "i_low": In(result),
        "i_high": In(result),
    }


_ROUNDED = _rounded()
_SCALED = {"i_mantissa": In(MANTISSA), **_ROUNDED}


class Round(wiring.Component):
    """``clip(round_half_even(value / 2**shift) + zero_point, low, high)``, one a cycle.

    A shifter keeps only the quotient's lowest bits, one more than the result's, the bit below and
    whether any bit below that was set; a quotient of more bits saturates. Parameters enter when
    they are needed, so that lanes with common parameters share the delays.

    Parameters
    ----------
    bits : width of the value, at most 64.
    result_bits : width of the result, at most 16.

    Members
    -------
    i_value, i_shift : In.
    i_zero_point : In. ``ZERO_POINT_DELAY`` cycles after the value.
    i_low, i_high : In. ``CLIP_DELAY`` cycles after the value.
    o_result : Out. ``ROUND_LATENCY`` cycles after the value.
    """

    def __init__(self, *, bits: int, result_bits: int = 8) -> None:
        check_sizes(1, 64, bits=bits)
        check_sizes(2, 16, result_bits=result_bits)
        self._window = result_bits + _MORE
        super().__init__(
            {
                "i_value": In(signed(bits)),
                **_rounded(signed(result_bits)),
                "o_result": Out(signed(result_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        guarded = Cat(0, self.i_value).as_signed()
        coarse_window = self._window + _COARSE - 1
        coarse = self._shift(m, "coarse", guarded, self.i_shift[4:], _COARSE, coarse_window)
        fine_shift = delayed(m, self.i_shift[:4], 1, name="fine_shift")
        fine = self._shift(m, "fine", coarse.window, fine_shift, 1, self._window)
        sign = delayed(m, self.i_value[-1], 2, name="sign")
        sticky = fine.sticky.any() | delayed(m, coarse.sticky.any(), 1, name="sticky")
        large = fine.large.any() | delayed(m, coarse.large.any(), 1, name="large")

        guard, kept = fine.window[0], fine.window[1:]
        limit = Cat((~sign).replicate(self._window - 2), sign)
        quotient = Mux(large, limit, kept).as_signed()
        up = guard & (sticky | kept[0])
        total = Signal(signed(self._window), reset_less=True)
        m.d.sync += [
            total.eq(quotient + self.i_zero_point + up),
            self.o_result.eq(
                Mux(total > self.i_high, self.i_high, Mux(total < self.i_low, self.i_low, total))
            ),
        ]
        return m

    def _shift(self, m: Module, name: str, value: Any, by: Any, unit: int, width: int) -> Any:
        """One stage: ``value >> (by * unit)`` in ``width`` bits, with what did not fit in them.

        The latter in parts, whose sum is left to the next stage: it is a function of every bit.
        """
        stage = Signal(
            data.StructLayout({"window": signed(width), "sticky": _PARTS, "large": _PARTS}),
            name=name,
            reset_less=True,
        )
        most = (1 << len(by)) - 1  # units of a shift
        bound = width - 1  # of the window without a shift; its highest bit is another sign
        extended = Signal(signed(unit * most + width), name=f"{name}_value")
        sign = extended[-1].replicate(unit)
        below = [extended[unit * k :][:unit].any() & (by > k) for k in range(most)]
        above = [(extended[bound + unit * k :][:unit] != sign) & (by <= k) for k in range(most)]
        m.d.comb += extended.eq(value)
        m.d.sync += [
            part.eq(Cat(bits[place::_PARTS]).any())
            for parts, bits in ((stage.sticky, below), (stage.large, above))
            for place, part in enumerate(parts)
        ]
        with m.Switch(by):
            for k in range(most + 1):
                with m.Case(k):
                    m.d.sync += stage.window.eq(extended[unit * k : unit * k + width])
        return stage


class RequantiseLanes(wiring.Component):
    """Requantisation of several accumulators with common parameters, one set a cycle.

    One multiplier a lane; up to 27 accumulator bits it is one DSP slice.

    Parameters
    ----------
    accumulator_bits : width of an accumulator, at most 47.
    lanes : number of accumulators.

    Members
    -------
    i_accumulators : In, ArrayLayout of signed.
    i_mantissa, i_shift, i_zero_point, i_low, i_high : In. Sampled with the accumulators.
    o_results : Out, ArrayLayout of int8, ``REQUANTISE_LATENCY`` cycles later.
    """

    def __init__(self, *, accumulator_bits: int, lanes: int) -> None:
        check_sizes(1, 47, accumulator_bits=accumulator_bits)
        check_sizes(1, lanes=lanes)
        self._accumulator = signed(accumulator_bits)
        self._lanes = lanes
        super().__init__(
            {
                "i_accumulators": In(data.ArrayLayout(self._accumulator, lanes)),
                **_SCALED,
                "o_results": Out(data.ArrayLayout(INT8, lanes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        parameters = _at_round(m, self, PRODUCT_LATENCY)
        mantissa = delayed(m, self.i_mantissa, 1, name="mantissa")
        for lane in range(self._lanes):
            factor = Signal(self._accumulator, name=f"factor_{lane}", reset_less=True)
            m.d.sync += factor.eq(self.i_accumulators[lane])
            product = delayed(m, factor * mantissa, 2, name=f"product_{lane}")
            _round(m, lane, product, parameters, self.o_results[lane])
        return m


class Requantise(wiring.Component):
    """Requantisation of one accumulator a cycle, each with its own parameters.

    Parameters
    ----------
    accumulator_bits : width of the accumulator, at most 47; up to 27 it takes one DSP slice.

    Members
    -------
    i_accumulator, i_mantissa, i_shift, i_zero_point, i_low, i_high : In. Sampled together.
    o_result : Out. ``REQUANTISE_LATENCY`` cycles later.
    """

    def __init__(self, *, accumulator_bits: int) -> None:
        self._lane = RequantiseLanes(accumulator_bits=accumulator_bits, lanes=1)
        super().__init__(
            {
                "i_accumulator": In(signed(accumulator_bits)),
                **_SCALED,
                "o_result": Out(INT8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.lane = lane = self._lane
        m.d.comb += [
            lane.i_accumulators[0].eq(self.i_accumulator),
            *(getattr(lane, name).eq(getattr(self, name)) for name in _SCALED),
            self.o_result.eq(lane.o_results[0]),
        ]
        return m


class ResidualAdd(wiring.Component):
    """Quantised addition of two int8 words, lane by lane, one word a cycle.

    ``clip(round_half_even((y * factor + r * residual_factor + offset) / 2**shift) + zero_point,
    low, high)``; two multipliers a lane.

    Parameters
    ----------
    lanes : bytes of a word.

    Members
    -------
    i_value, i_residual : In. y and r, int8 lanes.
    i_factor, i_residual_factor, i_offset, i_shift, i_zero_point, i_low, i_high : In. Common to all
        lanes, sampled with the words.
    o_result : Out. int8 lanes, ``RESIDUAL_LATENCY`` cycles later.
    """

    def __init__(self, *, lanes: int) -> None:
        check_sizes(1, lanes=lanes)
        self._lanes = lanes
        super().__init__(
            {
                "i_value": In(data.ArrayLayout(INT8, lanes)),
                "i_residual": In(data.ArrayLayout(INT8, lanes)),
                "i_factor": In(MANTISSA),
                "i_residual_factor": In(MANTISSA),
                "i_offset": In(signed(32)),
                **_ROUNDED,
                "o_result": Out(data.ArrayLayout(INT8, lanes)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        parameters = _at_round(m, self, SUM_LATENCY)
        factor = delayed(m, self.i_factor, 1, name="factor")
        residual_factor = delayed(m, self.i_residual_factor, 2, name="residual_factor")
        offset = delayed(m, self.i_offset, 2, name="offset")
        for lane in range(self._lanes):
            value = delayed(m, self.i_value[lane], 1, name=f"value_{lane}")
            residual = delayed(m, self.i_residual[lane], 2, name=f"residual_{lane}")
            product = delayed(m, value * factor, 1, name=f"product_{lane}")
            partial = delayed(m, product + offset, 1, name=f"partial_{lane}")
            second = delayed(m, residual * residual_factor, 1, name=f"second_{lane}")
            total = delayed(m, partial + second, 1, name=f"total_{lane}")
            _round(m, lane, total, parameters, self.o_result[lane])
        return m


def _at_round(m: Module, ports: Any, cycles: int) -> dict[str, Any]:
    """The parameters for `Round`, whose value comes ``cycles`` after the ports are sampled."""
    delays = {
        "shift": cycles,
        "zero_point": cycles + ZERO_POINT_DELAY,
        "low": cycles + CLIP_DELAY,
        "high": cycles + CLIP_DELAY,
    }
    return {
        name: delayed(m, getattr(ports, f"i_{name}"), delay, name=name)
        for name, delay in delays.items()
    }


def _round(m: Module, lane: int, value: Any, parameters: dict[str, Any], result: Any) -> None:
    """Adds the `Round` of one lane."""
    m.submodules[f"round_{lane}"] = rounding = Round(bits=len(value))
    m.d.comb += [rounding.i_value.eq(value), result.eq(rounding.o_result)]
    for name, parameter in parameters.items():
        m.d.comb += getattr(rounding, f"i_{name}").eq(parameter)
