"""Latencies of buses and control."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import connect

from hw.bus.burst_reader import BurstReader
from hw.control.checksum_unit import ProgramChecksum
from hw.control.fetch import Fetch
from hw.control.issue import Issuer
from hw.control.supervisor import Supervisor
from hw.control.tokens import Tokens
from hw.conv.sequence.loader import Loader
from hw.isa import HEAD_LAYOUT, INSTRUCTION_BYTES, Dataflow, Engine, Opcode, encode
from hw.isa.config import ISA_VERSION
from hw.move.store import Store
from tests.hw.timing.bench import Steps, hold, last, measures, play, pulse, when
from tests.hw.timing.designs import PLAIN
from tests.kit.sealing import sealed

AT = 3


@measures("READER_LATENCY")
def reader() -> int:
    dut = BurstReader(data_bytes=4, depth=64)
    steps = [
        *hold(dut.axi.ar.ready),
        *hold(dut.i.payload.beats, 1),
        *pulse(AT, dut.i.valid),
        *pulse(AT + 10, dut.axi.r.valid),
    ]
    (there,) = play(dut, steps, dut.o.valid)
    return when(there) - (AT + 10)


def _program(configuration: int) -> bytes:
    begin = {"isa_version": ISA_VERSION, "configuration": configuration, "instructions": 2}
    return encode(Opcode.BEGIN, begin) + encode(Opcode.END, {})


@measures("STORE_LATENCY")
def store() -> int:
    """Of no bytes, whose writer still has other work."""
    dut = Store(config=PLAIN)
    idle = AT + 20
    steps = [*pulse(AT, dut.i.valid), *hold(dut.o_command.ready), (idle, dut.i_writer_idle, 1)]
    (retires,) = play(dut, steps, dut.o_retire)
    return when(retires) - idle


@measures("CHECK_LATENCY")
def check() -> int:
    dut = ProgramChecksum(data_bytes=INSTRUCTION_BYTES)
    words = sealed(_program(1))
    beats = [words[at : at + INSTRUCTION_BYTES] for at in range(0, len(words), INSTRUCTION_BYTES)]
    steps: list = [*pulse(AT, dut.i_valid, count=len(beats))]
    for number, beat in enumerate(beats):
        steps.append((AT + number, dut.i_data, int.from_bytes(beat, "little")))
    (right,) = play(dut, steps, dut.o_right)
    return when(right) - (AT + len(beats) - 1)


@measures("VERDICT_LATENCY")
def verdict() -> int:
    """END arrives and is the program's end at once; that it is not sealed follows."""
    dut = Fetch(config=PLAIN)
    words = _program(PLAIN.hash)
    size = PLAIN.axi_bytes
    steps = [
        *pulse(AT, dut.i_start),
        *hold(dut.i_size, len(words)),
        *hold(dut.o_command.ready),
    ]
    at = AT + 2
    for start in range(0, len(words), size):
        if start == INSTRUCTION_BYTES:
            at += 3  # BEGIN is looked at
        beat = int.from_bytes(words[start : start + size], "little")
        steps += [(at, dut.i_beat.payload, beat), *pulse(at, dut.i_beat.valid)]
        at += 1
    done, failed = play(dut, steps, dut.o_done, dut.o_failed, cycles=at + 20)
    return when(failed) - when(done)


def _burst(words_at: int) -> int:
    """The loader's first burst, whose words are there from ``words_at`` on."""
    dut = Loader(config=PLAIN)
    nest = dict.fromkeys(("pixels", "pixel_tile", "channels", "channel_tile", "chunks"), 1)
    fields = {"dataflow": Dataflow.WS, **nest}
    steps = [
        *hold(dut.i.payload, dut.i.payload.shape().const(fields)),
        (words_at, dut.i_weights, 100),
        *pulse(AT, dut.i.valid),
    ]
    (start,) = play(dut, steps, dut.o_start)
    return when(start)


@measures("THERE_LATENCY")
def there() -> int:
    late = AT + 10
    return _burst(late) - late


@measures("PART_LATENCY")
def part() -> int:
    """The loader's first burst, whose words are there: it sees so once it has its tile."""
    return _burst(0) - AT - there()


@measures("DISPATCH")
def dispatch() -> int:
    """LOAD posts a token as it retires, and POOL waits for it."""
    m = Module()
    m.submodules.tokens = tokens = Tokens()
    m.submodules.load = load = Issuer(layout=HEAD_LAYOUT)
    m.submodules.pool = pool = Issuer(layout=HEAD_LAYOUT)
    for engine, issuer in ((Engine.LOAD, load), (Engine.POOL, pool)):
        connect(m, issuer.o_wait, tokens.i_wait[engine])
        connect(m, issuer.o_post, tokens.i_post[engine])
    steps: Steps = [
        *hold(load.i.payload, HEAD_LAYOUT.const({"post": 1 << Engine.POOL})),
        *hold(pool.i.payload, HEAD_LAYOUT.const({"wait": 1 << Engine.LOAD})),
        *pulse(AT, load.i.valid),
        *pulse(AT, pool.i.valid),
        *hold(load.o.ready),
        *hold(pool.o.ready),
        *pulse(AT + 10, load.i_retire),
    ]
    (starts,) = play(m, steps, pool.o.valid)
    return when(starts) - (AT + 10)


@measures("FAILURE_LATENCY")
def failure() -> int:
    dut = Supervisor(failures=1)
    steps = [*pulse(AT, dut.i_start), *pulse(AT + 5, dut.i_failures[0].valid)]
    (done,) = play(dut, steps, dut.o_done)
    return when(done) - (AT + 5)


@measures("RESET_CYCLES")
def reset() -> int:
    """All buses are quiet; in its last cycle, the supervisor sees it."""
    dut = Supervisor(failures=1)
    steps = [*pulse(AT, dut.i_start), *pulse(AT + 5, dut.i_finished), *hold(dut.i_quiet)]
    (drain,) = play(dut, steps, dut.o_drain)
    return last(drain) - when(drain)
