"""Latencies of the transforms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hw.isa.transforms import F2, F4, LINE3, LINE4, Transform
from hw.winograd.division import ExactDivision
from hw.winograd.input_transform import InputTransform
from hw.winograd.output_transform import OutputTransform
from hw.winograd.scatter import Scatter
from hw.winograd.transform_line import LineTransform
from hw.winograd.transpose import Transpose
from tests.hw.timing.bench import Trace, hold, last, measures, play, pulse, when

AT = 3
ALL = (F2, F4, LINE4, LINE3)
SETS: tuple[tuple[Transform, ...], ...] = ((F2,), (F4,), (F2, F4), (LINE3,), ALL)


@measures("LINE_LATENCY")
def line() -> int:
    lines = 2
    dut = LineTransform(lanes=1, axes=(F2.y,), lines=[lines], input_bits=8, output_bits=12)
    (valid,) = play(dut, pulse(AT, dut.i_valid, count=lines * F2.y.alpha), dut.o_valid)
    return when(valid) - (AT + lines * (F2.y.alpha - 1))


@cache
def _input(transforms: Sequence[Transform], choice: int) -> tuple[int, int, int]:
    """From a patch's first word to its first result; from its last to the first, to the last."""
    dut = InputTransform(lanes=1, transforms=transforms, operand_bits=16)
    count = transforms[choice].elements
    steps = [*hold(dut.i_transform, choice), *pulse(AT, dut.i_valid, count=count)]
    (valid,) = play(dut, steps, dut.o_valid, cycles=3 * count + 30)
    return _times(valid, count)


def _times(valid: Trace, count: int) -> tuple[int, int, int]:
    final = AT + count - 1
    return when(valid) - AT, when(valid) - final, last(valid) - final


@measures("INPUT_LATENCY")
def input_transform() -> int:
    found = {_input(many, k)[1] for many in SETS for k in range(len(many))}
    (latency,) = found
    return latency


@measures("SCATTER_LATENCY")
def scatter() -> int:
    axis = F2.y
    dut = Scatter(axes=(axis,), bits=20)
    steps = [*pulse(AT, dut.i_valid, count=axis.alpha), *pulse(AT + axis.alpha - 1, dut.i_last)]
    steps += [(AT + n, dut.i_position, n) for n in range(axis.alpha)]
    (valid,) = play(dut, steps, dut.o_valid)
    return when(valid) - (AT + axis.alpha - 1)


@measures("TRANSPOSE_LATENCY")
def transpose() -> int:
    dut = Transpose(transforms=(F2,), bits=20)
    lines = [AT + F2.y.alpha * n for n in range(F2.x.alpha)]
    steps = [step for start in lines for step in pulse(start, dut.i_valid, count=F2.y.m)]
    (valid,) = play(dut, steps, dut.o_valid)
    return when(valid) - lines[-1]


@measures("DIVISION_LATENCY")
def division() -> int:
    dut = ExactDivision(divisor=9, bits=16)
    (quotient,) = play(dut, [*hold(dut.i_divide), (AT, dut.i_value, 27)], dut.o_quotient)
    return when(quotient) - AT


@cache
def _output(transforms: Sequence[Transform], choice: int) -> tuple[int, int, int]:
    """The same of a tile's elements."""
    dut = OutputTransform(transforms=transforms, accumulator_bits=40, result_bits=24)
    count = transforms[choice].elements
    steps = [*hold(dut.i_transform, choice), *pulse(AT, dut.i_valid, count=count)]
    (valid,) = play(dut, steps, dut.o_valid, cycles=3 * count + 30)
    return _times(valid, count)


@measures("output_latency")
def output_transform() -> dict[tuple[Transform, tuple[Transform, ...]], int]:
    return {(t, many): _output(many, k)[1] for many in SETS for k, t in enumerate(many)}


@measures("drained_delay")
def drained() -> dict[tuple[tuple[Transform, ...]], int]:
    return {(many,): max(_output(many, k)[2] for k in range(len(many))) for many in SETS}


def _gap(small: tuple[int, int, int], large: tuple[int, int, int]) -> int:
    """Idle cycles with which the first result of the one comes just behind the other's last."""
    first_small, _, _ = small
    _, _, last_large = large
    return max(0, last_large - first_small)


@measures("input_switch_gap")
def input_gap() -> dict[tuple[Sequence[Transform]], int]:
    both = (F2, F4)
    return {
        ((F2,),): 0,
        (both,): _gap(_input(both, 0), _input(both, 1)),
        (ALL,): _gap(_input(ALL, 3), _input(ALL, 1)),
    }


@measures("output_switch_gap")
def output_gap() -> dict[tuple[Sequence[Transform]], int]:
    both = (F2, F4)
    return {
        ((F2,),): 0,
        (both,): _gap(_output(both, 0), _output(both, 1)),
        (ALL,): _gap(_output(ALL, 3), _output(ALL, 1)),
    }
