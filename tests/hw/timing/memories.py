"""Latencies of queues and memories."""

from __future__ import annotations

from typing import Any

from hw.conv.array.parameter_chain import ParameterMemory
from hw.conv.feed.scratch import Scratch, block_layout
from hw.isa import PARAMETER
from hw.isa.transforms import F2
from hw.lib.queue import Queue
from hw.lib.replay import WeightBuffer
from hw.lib.table_lanes import TableLanes
from hw.lib.tensor_memory import TensorMemory
from tests.hw.timing.bench import hold, last, measures, play, pulse, when
from tests.hw.timing.designs import PLAIN, WINOGRAD

AT = 3


def _queue(block: bool) -> int:
    dut = Queue(shape=8, depth=8, block=block)
    (there,) = play(dut, pulse(AT, dut.i.valid), dut.o.valid)
    return when(there) - AT


@measures("QUEUE_LATENCY")
def queue() -> int:
    return _queue(block=False)


@measures("BLOCK_QUEUE_LATENCY")
def block_queue() -> int:
    return _queue(block=True)


@measures("POP_LATENCY")
def pop() -> int:
    dut = WeightBuffer(depth=8, word_bits=8)
    write = [*hold(dut.i.payload, 7), *pulse(AT, dut.i.valid)]
    (word,) = play(dut, [*write, *pulse(AT + 5, dut.o.pop)], dut.o.data)
    return when(word) - (AT + 5)


@measures("ROOM_LATENCY")
def room() -> int:
    dut = WeightBuffer(depth=2, word_bits=8)
    steps = [*pulse(AT, dut.i.valid, count=2), *pulse(AT + 5, dut.o.pop)]
    (free,) = play(dut, steps, dut.i.ready)
    return when(free[AT + 5 :])


@measures("LEVEL_LATENCY")
def level() -> int:
    dut = WeightBuffer(depth=8, word_bits=8)
    (words,) = play(dut, pulse(AT, dut.i.valid), dut.o.level)
    return when(words) - AT


def _memory() -> TensorMemory:
    return TensorMemory(config=PLAIN, readers=(1,), writers=1)


@measures("READ_LATENCY")
def read() -> int:
    dut = _memory()
    (valid,) = play(dut, pulse(AT, dut.i_read_0.valid), dut.o_valid_0)
    return when(valid) - AT


@measures("WRITE_TO_READ")
def write_to_read() -> int:
    """The first read after the last one that misses some of the bytes, whatever the alignment."""
    found = []
    word = PLAIN.tensor_word
    for address in range(2 * word):
        dut = _memory()
        wanted = int.from_bytes(bytes(range(1, word + 1)), "little")
        fields = {"address": address, "low": 0, "high": word, "data": wanted}
        write = dut.i_write_0
        steps = [*hold(write.payload, write.payload.shape().const(fields)), *pulse(AT, write.valid)]
        read = [*hold(dut.i_read_0.payload.address, address), *hold(dut.i_read_0.valid)]
        valid, data = play(dut, [*steps, *read], dut.o_valid_0, dut.o_data_0, cycles=24)
        missing = [found != wanted for found in data]
        found.append(last(missing) + 1 - when(valid) - AT)
    return max(found)


@measures("PARAMETER_LATENCY")
def parameter() -> int:
    dut = ParameterMemory(config=PLAIN)
    steps = [
        *hold(dut.i_write.address, 5),
        *hold(dut.i_write.record, PARAMETER.const({"bias": 9})),
        *pulse(AT, dut.i_write_valid),
        *pulse(AT + 5, dut.i_address_0, 5),
    ]
    (record,) = play(dut, steps, dut.o_record_0)
    return when(record) - (AT + 5)


@measures("TABLE_LATENCY")
def table() -> int:
    """Of a byte that is looked up, and of one that is not."""
    dut = TableLanes(config=PLAIN, lanes=1)
    write = dut.i_write.shape().const({"valid": 1, "record": 0, "entries": 9 << 8 * 5})
    found = set()
    for number, wanted in ((0, 5), (1, 9)):
        steps = [*pulse(AT, dut.i_write.as_value(), write.as_bits()), *hold(dut.i_table, number)]
        (word,) = play(dut, [*steps, *pulse(AT + 5, dut.i_word, 5)], dut.o_word)
        assert word[when(word)] == wanted
        found.add(when(word) - (AT + 5))
    (latency,) = found
    return latency


def _block(tiles: int) -> Any:
    """A block of so many tiles, as a constant."""
    fields = {"tiles": tiles, "single": tiles == 1, "words": tiles * F2.elements}
    return block_layout(WINOGRAD).const(fields)


@measures("COUNT_LATENCY")
def count() -> int:
    dut = Scratch(config=WINOGRAD)
    final = AT + 5 + F2.elements - 1
    steps = [
        *hold(dut.i_block, _block(1)),
        *pulse(AT, dut.i_reserve),
        *pulse(AT + 5, dut.i_valid, count=F2.elements),
        *pulse(final, dut.i_last),
    ]
    (words,) = play(dut, steps, dut.o.level)
    return when(words) - final


@measures("FITS_LATENCY")
def fits() -> int:
    dut = Scratch(config=WINOGRAD)
    steps = [*hold(dut.i_block, _block(1)), *pulse(AT, dut.i_asks, count=5)]
    (free,) = play(dut, steps, dut.o_fits)
    return when(free) - AT


@measures("SCRATCH_LATENCY")
def scratch() -> int:
    """A second block of the whole memory waits until the first one has been read."""
    dut = Scratch(config=WINOGRAD)
    tiles = WINOGRAD.scratch_words // F2.elements
    words, begin = tiles * F2.elements, AT + 5
    ends = [begin + (k + 1) * F2.elements - 1 for k in range(tiles)]
    released = begin + 2 * words
    steps = [
        *hold(dut.i_block, _block(tiles)),
        *hold(dut.i_asks),
        *pulse(AT, dut.i_reserve),
        *pulse(begin, dut.i_valid, count=words),
        *(step for end in ends for step in pulse(end, dut.i_last)),
        *pulse(released + 1 - words, dut.o.pop, count=words),
    ]
    (ready,) = play(dut, steps, dut.o_fits, cycles=released + 9)
    return when(ready[released:])
