"""Latencies of the array: elements, feet, parameters, and what is behind."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from hw.conv.array.array import Array
from hw.conv.array.element import Element
from hw.conv.array.foot import Foot
from hw.conv.array.output_turn import OutputTurn
from hw.conv.array.parameter_chain import ParameterPort
from hw.conv.sequence.wave_resources import ParameterSchedule
from hw.conv.write.result_writer import WRITE, Writer
from hw.isa import PARAMETER, Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.transforms import F2, Transform
from tests.hw.timing.bench import (
    MEASURES,
    Steps,
    Trace,
    hold,
    measures,
    meeting,
    play,
    pulse,
    when,
)
from tests.hw.timing.designs import PLAIN, RECORD, WINOGRAD

AT = 20
SIZES = ((2, 2), (3, 2), (2, 9), (4, 16), (16, 3))
"""Rows and columns."""


def sized(rows: int, columns: int) -> OverlayConfig:
    return replace(PLAIN, rows=rows, columns=columns, weight_words=64, parameter_depth=64)


def _element(*ports: str) -> int:
    """From a pulse at some ports to the change of the sum, with sums of 1,000 from above."""
    dut = Element(lanes=1, accumulator_bits=24)
    steps = [*hold(dut.i_shadow, 3), *hold(dut.i_enable), *hold(dut.i_swap), *hold(dut.i_sum, 1000)]
    steps += [step for port in ports for step in pulse(AT, getattr(dut, port))]
    (total,) = play(dut, steps, dut.o_sum)
    return when([cycle > 5 and value != 1000 for cycle, value in enumerate(total)]) - AT


@measures("ELEMENT_LATENCY")
def element() -> int:
    return _element("i_stream")


@measures("CONTROL_LAG")
def control_lag() -> int:
    return element() - _element("i_local", "i_clear")


def _parameters(dut: Foot, bias: int = 0) -> Steps:
    """Parameters that hand sums on wait for the wave that takes them."""
    return [*hold(dut.i_record, PARAMETER.const({**RECORD, "bias": bias})), *pulse(3, dut.i_latch)]


@measures("FOOT_LATENCY")
def foot() -> int:
    dut = Foot(config=PLAIN)
    steps = [*_parameters(dut), *pulse(AT, dut.i_sum, 7)]
    for flag in ("valid", "first", "last", "swap"):
        steps += pulse(AT, getattr(dut.i_tag, flag))
    (result,) = play(dut, steps, dut.o_result)
    return when(result) - AT


@measures("DRAINED_LATENCY")
def drained() -> int:
    """Of a drain of nothing but the bias."""
    dut = Foot(config=WINOGRAD)
    steps = [*_parameters(dut, bias=7), *pulse(6, dut.i_take.valid)]
    steps += pulse(AT, dut.i_drain.valid, count=F2.elements)
    drains, result = play(dut, steps, dut.o_drained, dut.o_result)
    return when(result) - when(drains)


@measures("REUSE_DISTANCE")
def reuse() -> int:
    """The first distance behind the last one at which a wave misses what another has left."""
    enough = []
    for distance in range(1, 8):
        dut = Foot(config=PLAIN)
        end = AT + distance
        steps = [*_parameters(dut), *pulse(10, dut.i_tag.swap)]
        steps += [(AT, dut.i_sum, 3), (AT + 1, dut.i_sum, 0), *pulse(AT, dut.i_tag.first)]
        steps += [(AT, dut.i_tag.valid, 1), (AT + 1, dut.i_tag.valid, 0)]
        steps += [(end, dut.i_tag.valid, 1), (end, dut.i_tag.last, 1), (end, dut.i_sum, 4)]
        steps += [(end + 1, port, 0) for port in (dut.i_tag.valid, dut.i_tag.last, dut.i_sum)]
        (result,) = play(dut, steps, dut.o_result)
        enough.append(result[end + foot()] == 7)
    return max(n for n, good in enumerate(enough) if not good) + 2


@cache
def _burst(rows: int, columns: int) -> int:
    """To the latch."""
    dut = ParameterPort(config=sized(rows, columns))
    (latch,) = play(dut, pulse(AT, dut.i_load), dut.o_latch)
    return when(latch) - AT


@measures("burst_cycles")
def burst() -> dict[tuple[int], int]:
    return {(columns,): _burst(rows, columns) for rows, columns in SIZES}


@cache
def _schedule(rows: int, columns: int) -> tuple[int, int]:
    """From a wave that takes parameters to the next burst, and to the next such wave."""
    dut = ParameterSchedule(config=sized(rows, columns))
    steps = [*pulse(AT, dut.i_swap), *pulse(AT, dut.i_more)]
    load, ready = play(dut, steps, dut.o_load, dut.o_ready, cycles=120)
    return when(load) - AT, when(ready) - AT


@measures("BURST_START")
def burst_start() -> int:
    found = {_schedule(*size)[0] - _foot_delay(size[0]) for size in SIZES}
    (cycles,) = found
    return cycles


@measures("READY_LATENCY")
def ready() -> int:
    """In an array so high that a burst is at the feet before any wave."""
    load, wave = _schedule(16, 3)
    return wave - load - 1


@measures("parameter_margin")
@cache
def margin() -> dict[tuple[int, int], int]:
    """It is just so long that the wave is at the feet behind the latch."""
    found = {}
    for rows, columns in SIZES:
        load, wave = _schedule(rows, columns)
        late = _burst(rows, columns) + 1 - _foot_delay(rows)
        found[rows, columns] = wave - load - ready()
        assert found[rows, columns] == max(1, late)
    return found


@measures("parameter_period")
def period() -> dict[tuple[int, int], int]:
    return {size: _schedule(*size)[1] for size in SIZES}


@cache
def _word(rows: int, columns: int = 2, crossings: int = 0) -> int:
    """From a wave to the word of its results: each weight and activation is 1."""
    dut = Array(config=replace(sized(rows, columns), crossings=crossings))
    wave: Any = dut.i_wave
    steps = [
        *hold(dut.i_parameter_record, PARAMETER.const(RECORD)),
        *pulse(3, dut.i_load_parameters),
        *hold(dut.i_weight, int.from_bytes(bytes([1] * columns), "little")),
        *hold(dut.i_activation, sum(1 << 9 * row for row in range(rows))),
        *pulse(AT, wave.start),
        *pulse(AT, wave.enable, count=rows),
        *pulse(AT, wave.top, count=rows),
    ]
    at = AT + rows
    for flag in (wave.swap, wave.left.activation):
        steps += pulse(at, flag)
    for name in ("valid", "first", "last", "swap"):
        steps += pulse(at, getattr(wave.tag, name))
    valid, word = play(dut, steps, dut.o_valid, dut.o_word, cycles=100)
    assert word[when(valid)] == int.from_bytes(bytes([rows] * columns), "little")
    return when(valid) - at


def _foot_delay(rows: int) -> int:
    """Behind the foot, column 0 waits in the collector for the last of the two."""
    return _word(rows) - foot() - 2


@measures("foot_delay")
def foot_delay() -> dict[tuple[int], int]:
    return {(rows,): _foot_delay(rows) for rows in (2, 3, 16)}


@measures("collector_latency")
def collector() -> dict[tuple[int, int], int]:
    """A word is complete C cycles behind column 0's result."""
    pop = MEASURES["POP_LATENCY"]()
    sizes = [*((rows, n) for rows in (2, 3) for n in range(3)), (16, 2)]
    return {(rows, n): pop + _word(rows, 4, n) - 4 for rows, n in sizes}


@measures("collector_busy")
def busy() -> dict[tuple[int, tuple[Transform, ...]], int]:
    """Cycles from column 0's result to its word, which drained results have, too, but later."""
    late = {(): 0, **{many: cycles for (many,), cycles in MEASURES["drained_delay"]().items()}}
    behind = {n: _word(2, n) - _foot_delay(2) - foot() for n in (2, 9)}
    return {(n, many): behind[n] + late[many] for n in behind for many in late}


@measures("crossing_latency")
def crossing_latency() -> dict[tuple[int], int]:
    return {(n,): _word(2, 4, crossings=n) - _word(2, 4) for n in range(3)}


@measures("CROSSING")
def crossing() -> int:
    """As long on the way there as on the way back."""
    return crossing_latency()[1,] // 2


@measures("TURN_LATENCY")
def turn() -> int:
    dut = OutputTurn(config=WINOGRAD)
    steps = [*hold(dut.i_unit.close), *pulse(AT, dut.i_valid, count=F2.pixels), *hold(dut.i_room)]
    reserve, valid = play(dut, steps, dut.o_reserve, dut.o_valid)
    return when(valid) - when(reserve)


def _writer() -> tuple[Trace, Trace, Trace]:
    """Words, writes and retirements of a convolution of one word."""
    dut = Writer(config=PLAIN)
    fields = dict.fromkeys(("pixels", "pixel_tile", "channels", "channel_tile", "out_width"), 1)
    steps = [
        *hold(dut.i.payload, WRITE.const({**fields, "dataflow": Dataflow.WS})),
        *pulse(AT, dut.i.valid),
        *hold(dut.i_word.valid),
        *hold(dut.o_write.ready),
    ]
    word, write, end = play(dut, steps, meeting(dut.i_word), dut.o_write.valid, dut.o_retire)
    return word, write, end


@measures("WRITER_LATENCY")
def writer() -> int:
    word, write, _ = _writer()
    return when(write) - when(word)


@measures("RETIRE_LATENCY")
def retire() -> int:
    word, _, end = _writer()
    return when(end) - when(word)
