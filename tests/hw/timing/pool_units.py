"""Latencies of pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hw.isa import POOL
from hw.isa.config import OverlayConfig
from hw.pool.engine import PoolEngine
from hw.pool.gain_codes import GainCodes
from hw.pool.pool_finish import PoolFinish
from hw.pool.pool_walk import PoolWalk
from hw.pool.product import ProductLanes
from hw.pool.reduce import GroupReducer, WindowReducer
from tests.hw.timing.bench import Trace, hold, measures, meeting, play, pulse, when
from tests.hw.timing.designs import PLAIN
from tests.hw.timing.feeding import walk

AT = 3
MULTIPLYING = replace(PLAIN, depthwise=1)
NORMALISING = replace(PLAIN, axi_bytes=8, normalisation=1)
_ONE = {
    **dict.fromkeys(("tap_rows", "tap_columns", "out_width", "pixels", "channels"), 1),
    **dict.fromkeys(("height", "row_pitch", "counted_height", "counted_bytes"), 1),
}
ONE = POOL.const(_ONE)  # one window of one tap


@measures("POOL_START")
def start() -> int:
    """To the first step, which is taken at once."""
    dut = PoolWalk(config=PLAIN)
    steps = [*hold(dut.i_instruction, ONE), *hold(dut.o_ticket.ready), *pulse(AT, dut.i_start)]
    (tap,) = play(dut, steps, dut.o_tap.valid)
    return when(tap) - AT - walk()


@measures("GROUP_LATENCY")
def group() -> int:
    dut = GroupReducer(lanes=1)
    steps = [*hold(dut.i_tap.group_last), *pulse(AT, dut.i_valid)]
    (valid,) = play(dut, steps, dut.o_valid)
    return when(valid) - AT


@measures("WINDOW_LATENCY")
def window() -> int:
    """And a cycle for each other group."""
    found = set()
    for more in range(3):
        dut = WindowReducer(lanes=1)
        steps = [*hold(dut.i_more, more), *pulse(AT, dut.i_valid, count=1 + more)]
        steps += pulse(AT + more, dut.i_window_last)
        (valid,) = play(dut, steps, dut.o_valid)
        found.add(when(valid) - (AT + more) - more)
    (latency,) = found
    return latency


@measures("FACTOR_LATENCY")
def product() -> int:
    """From a tap to its product with the one before it."""
    dut = ProductLanes(config=PLAIN)
    steps = [*pulse(AT, dut.i_valid), *pulse(AT, dut.i_tap.operand), *pulse(AT, dut.i_data, 3)]
    steps += [*pulse(AT + 1, dut.i_valid), *pulse(AT + 1, dut.i_data, 5)]
    (found,) = play(dut, steps, dut.o_products[0] == 15)
    return when(found) - (AT + 1)


@measures("CODE_LATENCY")
def code() -> int:
    """The square of 127, of the first channel: 1 and 11111, and the place of the first 1."""
    dut = GainCodes(config=NORMALISING)
    steps = [*hold(dut.i_instruction, ONE), *pulse(AT, dut.i_data, 127 << 16)]
    (found,) = play(dut, steps, dut.o_codes[:8] == 0x5F)
    return when(found) - AT


@measures("GAIN_LATENCY")
def gain() -> int:
    """A window of one tap takes so much longer if it is normalised."""
    one = POOL.const({**_ONE, "normalise": 1, "table": 1})
    return when(_engine(NORMALISING, one)[1]) - when(_engine(NORMALISING, ONE)[1])


@measures("DEPTHWISE_LATER")
def depthwise() -> int:
    """A window of one tap takes so much longer if it has a weight."""
    one = POOL.const({**_ONE, "depthwise": 1, "passes": 1, "window_groups": 1})
    return when(_engine(MULTIPLYING, one)[1]) - when(_engine(MULTIPLYING, ONE)[1])


@measures("FINISH_LATENCY")
def finish() -> int:
    """Valid comes with the result of the window's bytes."""
    dut = PoolFinish(config=PLAIN)
    record = {"mantissa": 1 << 16, "shift": 16, "low": -128, "high": 127}
    steps = [
        *hold(dut.i_record, dut.i_record.shape().const(record)),
        *pulse(AT + 20, dut.i_valid),
        *pulse(AT + 20, dut.i_window.lanes[0], 5),
    ]
    valid, result = play(dut, steps, dut.o_valid, dut.o_result)
    assert when(valid) == when(result)
    return when(valid) - (AT + 20)


def _engine(config: OverlayConfig = PLAIN, one: Any = ONE) -> tuple[Trace, Trace, int]:
    """Writes and ends of one window of one tap, and the cycle in which it is measured."""
    dut = PoolEngine(config=config)
    steps = [*hold(dut.i.payload, one), *pulse(AT, dut.i.valid)]
    steps += [*hold(dut.o_read.ready), *hold(dut.o_write.ready)]
    writes, done = play(dut, steps, meeting(dut.o_write), dut.o_done)
    return writes, done, AT + 1


@measures("POOL_DONE")
def done() -> int:
    writes, ends, _ = _engine()
    return when(ends) - when(writes)


@measures("POOL_LATENCY")
def pool() -> int:
    _, ends, measured = _engine()
    taps = 1
    return when(ends) - measured - taps
