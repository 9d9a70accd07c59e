"""Latencies of requantisation."""

from __future__ import annotations

from typing import Any

from hw.lib.requantise import Requantise, ResidualAdd, Round
from tests.hw.timing.bench import Steps, hold, measures, play, when
from tests.hw.timing.designs import RECORD

AT = 12  # what was there before has left


def _round(port: str, value: int) -> int:
    """From a change of a port of `Round` to the result's."""
    dut = Round(bits=16)
    steps = [*hold(dut.i_low, -128), *hold(dut.i_high, 127), (AT, getattr(dut, port), value)]
    (result,) = play(dut, steps, dut.o_result)
    return when(result) - AT


@measures("ROUND_LATENCY")
def rounding() -> int:
    return _round("i_value", 5)


@measures("ZERO_POINT_DELAY")
def zero_point() -> int:
    return rounding() - _round("i_zero_point", 5)


@measures("CLIP_DELAY")
def clip() -> int:
    assert _round("i_high", -5) == _round("i_low", 5)
    return rounding() - _round("i_low", 5)


def _changed(dut: Any, steps: Steps, port: Any, result: Any) -> int:
    common = [step for n in ("low", "high") for step in hold(getattr(dut, f"i_{n}"), RECORD[n])]
    (seen,) = play(dut, [*common, *steps, (AT, port, 5)], result)
    return when(seen) - AT


@measures("REQUANTISE_LATENCY")
def requantise() -> int:
    dut = Requantise(accumulator_bits=32)
    scale = [*hold(dut.i_mantissa, RECORD["mantissa"]), *hold(dut.i_shift, RECORD["shift"])]
    return _changed(dut, scale, dut.i_accumulator, dut.o_result)


@measures("RESIDUAL_LATENCY")
def residual() -> int:
    """From either word."""
    found = set()
    for word, gain in (("i_value", "i_factor"), ("i_residual", "i_residual_factor")):
        dut = ResidualAdd(lanes=1)
        port, result = getattr(dut, word)[0], dut.o_result.as_value()
        found.add(_changed(dut, hold(getattr(dut, gain)), port, result))
    (latency,) = found
    return latency


@measures("PRODUCT_LATENCY")
def product() -> int:
    return requantise_less_rounding(requantise())


@measures("SUM_LATENCY")
def total() -> int:
    return requantise_less_rounding(residual())


def requantise_less_rounding(latency: int) -> int:
    """What comes in front of `Round`."""
    return latency - rounding()
