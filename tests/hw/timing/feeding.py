"""Latencies of the feeder and its walks."""

from __future__ import annotations

from amaranth.hdl import Module

from hw.conv.feed.feeder import FEED, Feeder
from hw.conv.feed.patches import Patches
from hw.conv.feed.tap_walk import TAPS, TapWalker
from hw.isa import Algorithm, Dataflow
from hw.isa.timing import READ_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.replay import WeightBuffer
from hw.lib.tiles import NEST
from hw.lib.window import WINDOW_LAYOUT, WindowWalker
from tests.hw.timing.bench import Trace, hold, last, measures, meeting, play, pulse, when
from tests.hw.timing.control import part
from tests.hw.timing.designs import PLAIN

AT = 3
_SIZES = dict.fromkeys(("pixels", "pixel_tile", "channels", "channel_tile"), 1)
_WINDOW = {
    **dict.fromkeys(("height", "row_pitch", "tap_rows", "tap_columns", "out_width"), 1),
    "run_words": 1,
}


@measures("WALK_LATENCY")
def walk() -> int:
    dut = WindowWalker(config=PLAIN, word_bytes=3, extra=1)
    steps = [
        *hold(dut.i_window, WINDOW_LAYOUT.const({"height": 1, "row_pitch": 3, "out_width": 1})),
        *pulse(AT, dut.i_start),
        *pulse(AT + 5, dut.i.valid),
    ]
    (place,) = play(dut, steps, dut.o.valid)
    return when(place) - (AT + 5)


@measures("PATCH_LATENCY")
def patch() -> int:
    dut = Patches()
    steps = [*hold(dut.i_last_row, 3), *hold(dut.i_last_column, 3), *pulse(AT, dut.i.valid)]
    (place,) = play(dut, steps, dut.o.valid)
    return when(place) - AT


def _taps() -> tuple[int, int]:
    """To the first place of a nest of two chunks; from there to the first of the other one."""
    dut = TapWalker(config=PLAIN)
    nest = NEST.const({**_SIZES, "chunks": 2})
    steps = [
        *hold(dut.i_nest, nest),
        *hold(dut.i_window, TAPS.const({**_WINDOW, "tap_rows": 2})),
        *hold(dut.o.ready),
        *pulse(AT, dut.i_start),
    ]
    (valid,) = play(dut, steps, dut.o.valid)
    first, second = (cycle for cycle, there in enumerate(valid) if there)
    return first - AT, second - first


@measures("TAP_CHUNK")
def chunk() -> int:
    """Cycles without a place."""
    _, between = _taps()
    return between - 1


@measures("TAP_BEGIN")
def begin() -> int:
    first, between = _taps()
    return first - part() - between


def instruction(algorithm: Algorithm) -> dict[str, int]:
    """Fields of a convolution of one word, WS."""
    fields = {**_SIZES, **_WINDOW, "chunks": 1, "out_rows": 1, "tile_rows": 1}
    return {**fields, "dataflow": Dataflow.WS, "algorithm": algorithm}


def feeder(algorithm: Algorithm) -> tuple[Trace, Trace, Trace]:
    """Reads of one word, its write, and the level of the FIFO behind the feeder."""
    m = Module()
    m.submodules.feeder = feeder = Feeder(config=PLAIN)
    fifo = WeightBuffer(depth=64, word_bits=len(feeder.o_word.as_value()))
    m.submodules.fifo = fifo
    reads = meeting(feeder.o_read)
    m.d.comb += [
        feeder.i_read_valid.eq(delayed(m, reads, READ_LATENCY, name="reads", reset_less=False)),
        fifo.i.valid.eq(feeder.o_valid),
    ]
    steps = [
        *hold(feeder.i.payload, FEED.const(instruction(algorithm))),
        *hold(feeder.o_read.ready),
        *pulse(AT, feeder.i.valid),
    ]
    read, write, level = play(m, steps, reads, feeder.o_valid, fifo.o.level)
    return read, write, level


@measures("WALK_START")
def walk_start() -> int:
    reads, _, _ = feeder(Algorithm.IM2COL)
    return when(reads) - AT - part() - walk()


@measures("FREE_LATENCY")
def free() -> int:
    """Behind the only word, whose place is taken at once."""
    dut = Feeder(config=PLAIN)
    steps = [
        *hold(dut.i.payload, FEED.const(instruction(Algorithm.IM2COL))),
        *hold(dut.o_read.ready),
        *pulse(AT, dut.i.valid),
    ]
    read, ready = play(dut, steps, dut.o_read.valid, dut.i.ready)
    taken = last(read)
    return when(ready[taken + 1 :])


@measures("FEED_LATENCY")
def feed() -> int:
    reads, writes, _ = feeder(Algorithm.IM2COL)
    return when(writes) - when(reads)


@measures("TAPS_LATER")
def taps_later() -> int:
    """Than the walk of all pixels; both read at once what they have found."""
    plain, skipping = (feeder(one)[0] for one in (Algorithm.IM2COL, Algorithm.KN2ROW))
    return when(skipping) - when(plain)
