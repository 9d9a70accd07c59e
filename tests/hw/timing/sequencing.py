"""Latencies of tiles, of the drain, and from an instruction's start on."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module

from hw.conv.array.foot import Foot
from hw.conv.convolution import ConvEngine
from hw.conv.sequence.drain import Drain, DrainSteps, job_layout
from hw.conv.sequence.loader import SEQUENCE, Loader
from hw.conv.sequence.wave_resources import ParameterSchedule
from hw.isa import CONV, PARAMETER, Algorithm, Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.transforms import F2
from tests.hw.timing.array_units import margin
from tests.hw.timing.bench import hold, last, measures, play, pulse, when
from tests.hw.timing.designs import PLAIN, RECORD, WINOGRAD
from tests.hw.timing.feeding import feeder, instruction, walk, walk_start
from tests.hw.timing.memories import queue

AT = 3


@measures("LEAST_TILE_CYCLES")
def tile() -> int:
    """Between two bursts of the loader, in an array of two rows, if each is swapped in at once."""
    m = Module()
    m.submodules.loader = loader = Loader(config=replace(PLAIN, rows=2))
    m.d.comb += loader.i_swap.eq(loader.o_ready)
    nest = dict.fromkeys(("pixels", "pixel_tile", "channels", "channel_tile"), 1)
    steps = [
        *hold(loader.i.payload, SEQUENCE.const({"dataflow": Dataflow.WS, **nest, "chunks": 2})),
        *hold(loader.i_weights, 100),
        *pulse(AT, loader.i.valid),
    ]
    (start,) = play(m, steps, loader.o_start)
    return last(start) - when(start)


def _steps(parameters: int) -> tuple[int, int, int]:
    """Of a tile whose parameters come in that cycle, counted from its own: its first element;
    cycles in which it asks for them."""
    dut = DrainSteps()
    steps = [*pulse(AT, dut.i_tile, count=30), *hold(dut.i_room)]
    steps.append((AT + parameters, dut.i_parameters, 1))
    elements, asks = play(dut, steps, dut.o_elements, dut.o_take, cycles=30)
    return when(elements) - AT, sum(asks[: when(elements)]), when(asks) - AT


@measures("DRAIN_TAKE")
def take() -> int:
    """It asks in its first cycle, and in no other."""
    _, cycles, first = _steps(0)
    assert first == 0
    return cycles


@measures("DRAIN_STATES")
def states() -> int:
    late = 20
    return _steps(late)[0] - late


@measures("SETTLE_CYCLES")
def settle() -> int:
    """Behind the state that takes the tile up, whenever its parameters came."""
    elements, _, _ = _steps(0)
    cycles = elements - take() - states()
    assert cycles >= _sums_settle()
    return cycles


def _sums_settle() -> int:
    """Cycles behind a wave from which on its sum is read from the accumulators."""
    for distance in range(8):
        dut = Foot(config=WINOGRAD)
        at = 20
        steps = [*hold(dut.i_record, PARAMETER.const(RECORD)), *pulse(3, dut.i_latch)]
        steps += [*pulse(6, dut.i_take.valid), *pulse(at, dut.i_sum, 64)]
        steps += [*pulse(at, dut.i_tag.valid), *pulse(at, dut.i_tag.first)]
        steps += [*pulse(at, dut.i_tag.plain)]
        steps += [*pulse(at + distance, dut.i_drain.valid, count=F2.elements)]
        (result,) = play(dut, steps, dut.o_result)
        if any(result):
            return distance
    raise AssertionError("the sum is never read")


def _drain(config: OverlayConfig, own: bool) -> int:
    """From a tile's last wave to its first element; ``own``: its parameters are there."""
    m = Module()
    m.submodules.drain = drain = Drain(config=config)
    m.submodules.schedule = schedule = ParameterSchedule(config=config)
    m.d.comb += [schedule.i_begin.eq(drain.o_begin), drain.i_parameters.eq(schedule.o_ready | own)]
    job = job_layout(config).const({"units": 1})
    steps = [*hold(drain.i.payload, job), *pulse(AT, drain.i.valid), *hold(drain.i_room, 8)]
    (elements,) = play(m, steps, drain.o_drain.valid)
    return when(elements) - AT


@measures("DRAIN_START")
def drain_start() -> int:
    return _drain(WINOGRAD, own=True)


@measures("PARAMETER_START")
def parameter_start() -> int:
    """In an array so wide that the tile waits for its parameters."""
    wide = replace(WINOGRAD, rows=4, columns=16, weight_words=64, parameter_depth=64)
    return _drain(wide, own=False) - margin()[4, 16]


@measures("ACCEPTED")
def accepted() -> int:
    """The engine's first read, less what the feeder does for it."""
    dut = ConvEngine(config=PLAIN)
    code = CONV.const(instruction(Algorithm.IM2COL))
    steps = [*hold(dut.i.payload, code), *pulse(AT, dut.i.valid), *hold(dut.o_feed.ready)]
    (read,) = play(dut, steps, dut.o_feed.valid, cycles=20)
    return when(read) - AT - walk_start() - walk()


@measures("FED")
def fed() -> int:
    """The queue in front of the feeder, and the FIFO behind it."""
    _, _, level = feeder(Algorithm.IM2COL)
    return queue() + when(level) - AT
