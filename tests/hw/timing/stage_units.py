"""Latencies of the stages of layer pipelines."""

from __future__ import annotations

from typing import Any

from hw.isa.timing import ROUND_LATENCY
from hw.stages.bank_address import BankAddress
from hw.stages.dot_pair import DotPair
from hw.stages.dot_product import DotProduct
from hw.stages.map_link import MapLink
from hw.stages.operand_select import OperandSelect
from hw.stages.result_beat import header_layout
from hw.stages.result_drain import ResultDrain
from hw.stages.ring_bank import RingBank
from hw.stages.ring_write import RingWrite
from hw.stages.rotate_words import RotateWords
from hw.stages.scheme import Scheme
from hw.stages.shape import StageShape
from tests.hw.timing.bench import Steps, hold, last, measures, play, pulse, when

AT = 12
FAR = 5
"""A value that nothing else has."""


def _shape(segments: int, *, pad: int = 1, width: int = 1) -> StageShape:
    """3 x 3 on a map of 6 x 6; ``width`` channels of it arrive at once."""
    return StageShape(
        name="measured",
        n_in=2,
        n_out=2,
        size_in=6,
        size_out=4 + 2 * pad,
        kernel=3,
        stride=1,
        pad=pad,
        groups=1,
        pool=None,
        para_in=1,
        para_out=1,
        para_seg=segments,
        scheme=Scheme.LINE,
        bits=16,
        source=MapLink(channels=2, size=6, tile=2, width=width),
        out_width=1,
    )


# Without padding, segments tell the banks where words right of the last output column lie.
SHAPES = [_shape(n, pad=pad, width=w) for n in (1, 2, 4) for pad in (0, 1) for w in (1, 2)]


def _rotates(words: int) -> int:
    dut = RotateWords(words=words, bits=4)
    steps: Steps = [*hold(dut.i_amount, words - 1), (AT, dut.i, FAR << 4 * (words - 1))]
    (row,) = play(dut, steps, dut.o)
    seen = when(row)
    assert row[seen] == FAR
    return seen - AT


@measures("rotate_latency")
def rotation() -> dict[tuple[Any, ...], int]:
    return {(words,): _rotates(words) for words in (2, 3, 16, 17, 40)}


@measures("ROTATE_LEVELS")
def levels() -> int:
    """The most bits of an amount with which a row takes a cycle."""
    return max(bits for bits in range(1, 8) if _rotates(1 << bits) == 1)


def _change(dut: Any, steps: Steps, port: Any) -> int:
    """From what is set in cycle ``AT`` to another value at a port."""
    (trace,) = play(dut, steps, port)
    return when([cycle >= AT and value != trace[AT] for cycle, value in enumerate(trace)]) - AT


def _address(shape: StageShape) -> int:
    """From a wave of another tap to the banks' addresses."""
    dut = BankAddress(shape=shape)
    return _change(dut, [(AT, dut.i.tap, shape.taps - 1)], dut.o)


@measures("bank_address_latency")
def bank_address() -> dict[tuple[Any, ...], int]:
    return {(shape.para_seg, bool(shape.edges)): _address(shape) for shape in SHAPES}


@measures("TAP_LATENCY")
def tap() -> int:
    """The turn is chosen in the cycle in front of the address."""
    return _address(_shape(2)) - 1


@measures("BANK_LATENCY")
def bank() -> int:
    dut = RingBank(depth=4, part_bits=8, parts=1)
    steps: Steps = [*hold(dut.i_write_row, 3), *hold(dut.i_values, FAR), *pulse(0, dut.i_write)]
    return _change(dut, [*steps, (AT, dut.i_row, 3)], dut.o)


def _operand(shape: StageShape) -> int:
    """From a wave to its operands, and the same by the way of the banks' words."""
    ones = (1 << shape.para_seg * shape.touched * shape.row_lanes * shape.bits) - 1
    dut = OperandSelect(shape=shape)
    steps: Steps = [
        *hold(dut.i_words.as_value(), ones),
        *hold(dut.i_padding, FAR),
        (AT, dut.i.valid, 1),
    ]
    latency = _change(dut, steps, dut.o)
    dut = OperandSelect(shape=shape)
    inside = [(0, dut.i.tap, shape.taps // 2), *hold(dut.i.valid)]
    words = _change(dut, [*inside, (AT, dut.i_words.as_value(), ones)], dut.o)
    assert latency == _address(shape) + bank() + words
    return latency


@measures("operand_latency")
def operand() -> dict[tuple[Any, ...], int]:
    return {(s.para_seg, bool(s.edges), s.slices > 1): _operand(s) for s in SHAPES}


@measures("DOT_LATENCY")
def dot() -> int:
    dut = DotProduct(inputs=1, bits=8, accumulator_bits=20)
    return _change(dut, [*hold(dut.i_weights[0]), (AT, dut.i_values[0], FAR)], dut.o)


@measures("PACKED_DOT_LATENCY")
def packed_dot() -> int:
    dut = DotPair(inputs=1, accumulator_bits=20)
    return _change(dut, [*hold(dut.i_factors[1][0]), (AT, dut.i_common[0], FAR)], dut.o[1])


def _parameters(dut: ResultDrain, shape: StageShape) -> Steps:
    """Nothing is added, nothing shifted, and results may be anything."""
    most = 1 << shape.bits - 1
    header = header_layout(shape.bits).const({"low": -most, "high": most - 1})
    beats = [header.as_value().value % (1 << header_layout(shape.bits).size)]
    beats += [0] * shape.parameter_rows * shape.drain_channels
    steps: list[tuple[int, Any, Any]] = [
        (cycle, dut.i_parameters.payload, beat) for cycle, beat in enumerate(beats)
    ]
    return [*steps, *pulse(0, dut.i_parameters.valid, count=len(beats))]


@measures("DRAIN_LATENCY")
def drain() -> int:
    """The sums are at the chain's end a cycle after they are loaded."""
    shape = _shape(1)
    dut = ResultDrain(shape=shape)
    steps = [*_parameters(dut, shape), *hold(dut.i[0][0], FAR), *pulse(AT, dut.i_load)]
    result, valid = play(dut, steps, dut.o, dut.o_valid)
    assert result[when(valid)] == FAR
    return when(result) - (AT + 1) - ROUND_LATENCY


@measures("ROW_LATENCY")
def row() -> int:
    """A write is in its bank a cycle after it is there; the row is told then."""
    shape = _shape(1)
    dut = RingWrite(shape=shape)
    beats = shape.size_in * shape.source.channels
    steps = [*pulse(AT, dut.i.valid, count=beats)]
    told, writes = play(dut, steps, dut.o_row, dut.o.enable)
    there = last(writes) + 1
    assert when(told) == there
    return there - (AT + beats - 1)
