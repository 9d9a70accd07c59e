"""WEIGHTS: streams weight segments from DRAM, word by word."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.bus.axi import ADDRESS_BITS, check_data_bytes
from hw.bus.burst_reader import COMMAND
from hw.control.field_check import FAILURE
from hw.isa import WEIGHTS, Error
from hw.isa.config import OverlayConfig
from hw.lib.counted_steps import Steps
from hw.lib.queue import Queue

AHEAD = 4  # segments whose reads may be under way at once

# Words of a segment and beats of a word, whether there is one of them, and whether the segment is
# its instruction's last.
JOB = data.StructLayout(
    {
        "words": unsigned(24),
        "beats_per_word": unsigned(8),
        "single_word": 1,
        "single_beat": 1,
        "last": 1,
    }
)


class WeightReader(wiring.Component):
    """Executes WEIGHTS: reads each segment as often as it repeats and delivers its words.

    A beat per cycle; a word the cycle after its last beat.  The next segments, also those of the
    next instruction, are requested while a segment arrives.  All counts are at least one.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i : instructions.
    i_size : bytes of a stripe's region, constant during a run.
    o_command, i_beat : to and from a ``StripedReader``.
    o : weight words; bytes beyond ``beats_per_word`` beats are undefined.
    o_retire : pulse, the oldest instruction is done: the cycle after its last word's acceptance.
    o_failed : ``o_failure`` has code and tag; stays until reset.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._bytes = config.weight_beat_bytes
        self._stripe_bytes = config.axi_bytes
        self._word_beats = config.weight_beats
        super().__init__(
            {
                "i": In(stream.Signature(WEIGHTS)),
                "i_size": In(ADDRESS_BITS),
                "o_command": Out(stream.Signature(COMMAND)),
                "i_beat": In(stream.Signature(8 * config.weight_beat_bytes)),
                "o": Out(stream.Signature(8 * config.weight_word_bytes)),
                "o_retire": Out(1),
                "o_failed": Out(1),
                "o_failure": Out(FAILURE),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.segments = segments = Segments(data_bytes=self._stripe_bytes)
        m.submodules.jobs = jobs = Queue(shape=JOB, depth=AHEAD)
        connect(m, flipped(self.i), segments.i)
        connect(m, flipped(self.o_command), segments.o_command)
        connect(m, segments.o, jobs.i)
        m.d.comb += [
            segments.i_size.eq(self.i_size),
            self.o_failed.eq(segments.o_failed),
            self.o_failure.eq(segments.o_failure),
        ]

        beat_number = Signal(8)
        taken, word_end, job_end = Signal(), Signal(), Signal()
        final = Signal()
        job = jobs.o.payload
        m.submodules.beats = beats = Steps(bits=len(job.beats_per_word))
        m.submodules.words = words = Steps(bits=len(job.words))
        m.d.comb += [
            self.i_beat.ready.eq(jobs.o.valid & (~self.o.valid | self.o.ready)),
            taken.eq(self.i_beat.valid & self.i_beat.ready),
            word_end.eq(taken & beats.o_last),
            job_end.eq(word_end & words.o_last),
            jobs.o.ready.eq(job_end),
            beats.i_count.eq(job.beats_per_word),
            beats.i_single.eq(job.single_beat),
            beats.i_advance.eq(taken),
            words.i_count.eq(job.words),
            words.i_single.eq(job.single_word),
            words.i_advance.eq(word_end),
        ]
        m.d.sync += self.o_retire.eq(self.o.valid & self.o.ready & final)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken):
            m.d.sync += beat_number.eq(beat_number + 1)
            with m.Switch(beat_number):
                for beat in range(self._word_beats):
                    with m.Case(beat):
                        part = self.o.payload[8 * self._bytes * beat :][: 8 * self._bytes]
                        m.d.sync += part.eq(self.i_beat.payload)
        with m.If(word_end):
            m.d.sync += [
                self.o.valid.eq(1),
                final.eq(job_end & job.last),
                beat_number.eq(0),
            ]
        return m


class Segments(wiring.Component):
    """Walks the segments of WEIGHTS and their repetitions: a bus command and a job for each.

    An instruction takes up to ten cycles to its first command (a segment's beats are its words
    times ``beats_per_word``, added up bit by bit); then one command per cycle.  A segment that
    would leave the stripe's region fails instead.

    Parameters
    ----------
    data_bytes : width of a stripe's beat.

    Members
    -------
    i : instructions.
    i_size : bytes of a stripe's region, constant during a run.
    o_command : to a ``StripedReader``.
    o : jobs, see `JOB`.
    o_failed : ``o_failure`` has code and tag; stays until reset.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self._shift = exact_log2(data_bytes)
        super().__init__(
            {
                "i": In(stream.Signature(WEIGHTS)),
                "i_size": In(ADDRESS_BITS),
                "o_command": Out(stream.Signature(COMMAND)),
                "o": Out(stream.Signature(JOB)),
                "o_failed": Out(1),
                "o_failure": Out(FAILURE),
            }
        )
        self._code = Signal(WEIGHTS)
        self._multiplier = Signal(8)
        self._addends = [Signal(32, name=f"addend_{kind}") for kind in ("segment", "last")]
        self._beats = [Signal(32, name=f"beats_{kind}") for kind in ("segment", "last")]
        self._address = Signal(ADDRESS_BITS)
        # Beats of the region behind a usual and a last segment that would be the present one.
        room = signed(ADDRESS_BITS - self._shift + 1)
        self._rooms = [Signal(room, name=f"room_{kind}") for kind in ("segment", "last")]
        self._repeat = Signal(16)
        self._last_segment, self._last_repeat = Signal(), Signal()
        # Words of the usual and of the last segment, beats of a word, repeats: whether it is one.
        self._singles = [
            Signal(name=f"single_{kind}") for kind in ("segment", "last", "beat", "repeat")
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        free, beyond = Signal(), Signal()
        m.d.comb += [
            free.eq(
                (~self.o_command.valid | self.o_command.ready) & (~self.o.valid | self.o.ready)
            ),
            beyond.eq(self._of_segment(*(room < 0 for room in self._rooms))),
            self.o_failure.code.eq(Error.REGION),
            self.o_failure.tag.eq(self._code.tag),
        ]
        code = self._code
        counts = code.segment_words, code.last_words, code.beats_per_word, code.repeats
        m.d.sync += [one.eq(count == 1) for one, count in zip(self._singles, counts, strict=True)]
        with m.If(self.o_command.ready):
            m.d.sync += self.o_command.valid.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                self._accept(m)
                with m.If(self.i.valid):
                    m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                self._multiply(m)
                with m.If(self._multiplier[1:] == 0):
                    m.next = "WALK"
            with m.State("WALK"):
                with m.If(beyond):
                    m.next = "FAILED"
                with m.Elif(free):
                    self._offer(m)
                    with m.If(self._last_repeat):
                        self._step(m)
                        with m.If(self._last_segment):
                            m.next = "IDLE"
            with m.State("FAILED"):
                m.d.comb += self.o_failed.eq(1)
        return m

    def _of_segment(self, usual: Any, last: Any) -> Any:
        """What holds for the present segment: the last one may be shorter."""
        return Mux(self._last_segment, last, usual)

    def _accept(self, m: Module) -> None:
        """Takes the instruction at ``i``: its first segment is the present one."""
        code, shift = self.i.payload, self._shift
        words = code.segment_words, code.last_words
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += [
            self._code.eq(code),
            self._multiplier.eq(code.beats_per_word),
            *(addend.eq(count) for addend, count in zip(self._addends, words, strict=True)),
            *(total.eq(0) for total in self._beats),
            self._address.eq(code.offset),
            *(room.eq((self.i_size >> shift) - (code.offset >> shift)) for room in self._rooms),
            self._repeat.eq(code.repeats),
        ]

    def _multiply(self, m: Module) -> None:
        """One bit of ``beats_per_word``: both products grow by their addends where it is set."""
        for addend, total, room in zip(self._addends, self._beats, self._rooms, strict=True):
            grown = Mux(self._multiplier[0], addend, 0)
            m.d.sync += [addend.eq(addend << 1), total.eq(total + grown), room.eq(room - grown)]
        m.d.sync += [
            self._multiplier.eq(self._multiplier >> 1),
            self._last_segment.eq(self._code.segments == 1),
            self._last_repeat.eq(self._code.repeats == 1),
        ]

    def _offer(self, m: Module) -> None:
        """Offers the present segment's command and job; one repetition less is left."""
        code, job = self._code, self.o.payload
        *single_word, single_beat, single_repeat = self._singles
        m.d.sync += [
            self.o_command.valid.eq(1),
            self.o_command.payload.address.eq(self._address),
            self.o_command.payload.beats.eq(self._of_segment(*self._beats)),
            self.o.valid.eq(1),
            job.words.eq(self._of_segment(code.segment_words, code.last_words)),
            job.beats_per_word.eq(code.beats_per_word),
            job.single_word.eq(self._of_segment(*single_word)),
            job.single_beat.eq(single_beat),
            job.last.eq(self._last_segment & self._last_repeat),
            self._repeat.eq(Mux(self._last_repeat, code.repeats, self._repeat - 1)),
            self._last_repeat.eq(Mux(self._last_repeat, single_repeat, self._repeat == 2)),
        ]

    def _step(self, m: Module) -> None:
        """The next segment becomes the present one."""
        usual, _ = self._beats
        m.d.sync += [
            self._address.eq(self._address + (usual << self._shift)),
            *(room.eq(room - usual) for room in self._rooms),
            self._code.segments.eq(self._code.segments - 1),
            self._last_segment.eq(self._code.segments == 2),
        ]
